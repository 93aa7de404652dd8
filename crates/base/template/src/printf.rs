//! `printf`: the verbs of Go's that a text, a number or a truth needs.

use crate::evaluate::Found;
use crate::show::show;
use serde_json::Value;

/// The widest that a value is padded to.
const WIDEST: usize = 4096;

/// A verb as it stands: `%-10.3s`.
#[derive(Default)]
struct Verb {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

/// Puts the arguments into the form.
pub(crate) fn printf(form: &str, arguments: &[Found<'_>]) -> Result<String, String> {
    let mut printed = String::new();
    let mut arguments = arguments.iter();
    let mut rest = form;
    while let Some((before, after)) = rest.split_once('%') {
        printed.push_str(before);
        let (verb, letter, after) = verb(after)?;
        rest = after;
        if letter == '%' {
            printed.push('%');
            continue;
        }
        match arguments.next() {
            Some(argument) => pad(&mut printed, &verb, &one(&verb, letter, argument)?),
            None => printed.push_str(&format!("%!{letter}(MISSING)")),
        }
    }
    printed.push_str(rest);
    Ok(printed)
}

/// What stands after a percent sign.
fn verb(text: &str) -> Result<(Verb, char, &str), String> {
    let mut verb = Verb::default();
    let flags = text.find(|c| !"-+ 0#".contains(c)).unwrap_or(text.len());
    let (flag, rest) = text.split_at(flags);
    verb.left = flag.contains('-');
    verb.zeros = flag.contains('0') && !verb.left;
    verb.plus = flag.contains('+');
    let (width, rest) = digits(rest)?;
    verb.width = width.unwrap_or(0);
    let rest = match rest.strip_prefix('.') {
        Some(rest) => {
            let (precision, rest) = digits(rest)?;
            verb.precision = Some(precision.unwrap_or(0));
            rest
        }
        None => rest,
    };
    let letter = rest.chars().next().ok_or("a verb is missing after %")?;
    Ok((verb, letter, rest.get(letter.len_utf8()..).unwrap_or_default()))
}

fn digits(text: &str) -> Result<(Option<usize>, &str), String> {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let number = digits.parse::<usize>().ok().filter(|n| *n <= WIDEST);
    number
        .map(|n| (Some(n), rest))
        .ok_or_else(|| format!("nothing is wider than {WIDEST}"))
}

fn one(verb: &Verb, letter: char, value: &Value) -> Result<String, String> {
    let cut = |text: String| match verb.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text,
    };
    let unlike = || Ok(format!("%!{letter}({})", show(value)));
    match letter {
        's' | 'v' => match (value.as_f64().filter(|_| value.is_f64()), verb.precision) {
            (Some(number), Some(precision)) => Ok(format!("{number:.precision$}")),
            _ => Ok(cut(show(value))),
        },
        'q' => Ok(format!("{:?}", show(value))),
        't' if value.is_boolean() => Ok(value.to_string()),
        'd' if value.is_i64() || value.is_u64() => {
            Ok(match verb.plus && !value.to_string().starts_with('-') {
                true => format!("+{value}"),
                false => value.to_string(),
            })
        }
        'x' | 'X' => {
            let hexadecimal = match value {
                Value::String(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
                _ => match (value.as_u64(), value.as_i64()) {
                    (Some(number), _) => format!("{number:x}"),
                    (None, Some(number)) => format!("-{:x}", number.unsigned_abs()),
                    _ => return unlike(),
                },
            };
            Ok(match letter {
                'X' => hexadecimal.to_uppercase(),
                _ => hexadecimal,
            })
        }
        'f' | 'g' => match value.as_f64() {
            Some(number) if letter == 'f' => Ok(format!("{number:.*}", verb.precision.unwrap_or(6))),
            Some(number) => Ok(number.to_string()),
            None => unlike(),
        },
        't' | 'd' => unlike(),
        other => Err(format!("%{other} is not served")),
    }
}

fn pad(printed: &mut String, verb: &Verb, text: &str) {
    let missing = verb.width.saturating_sub(text.chars().count());
    let filling = if verb.zeros { "0" } else { " " }.repeat(missing);
    match verb.left {
        true => printed.extend([text, &filling]),
        false => printed.extend([filling.as_str(), text]),
    }
}
