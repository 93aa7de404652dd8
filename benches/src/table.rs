//! The figures as a table, in Markdown, so that it can be put into a page as it is.

use crate::contender::{Contender, Role};
use crate::measure::Cost;
use std::fmt::Write;
use std::time::Duration;

/// The table of a suite: each contender's minimum and median, and its median as a multiple of ours.
pub(crate) fn table(title: &str, contenders: &[&Contender], costs: &[Vec<Cost>]) -> String {
    let figures: Vec<Figures> = costs.iter().map(|c| Figures::of(c)).collect();
    let ours = contenders.iter().position(|c| c.role == Role::Ours);
    let mut text = format!("### {title}\n\n");
    text.push_str(
        "| | n | wall min ms | wall median ms | CPU min ms | CPU median ms | wall to ours | CPU to ours |\n",
    );
    text.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for (i, (contender, f)) in contenders.iter().zip(&figures).enumerate() {
        let to = |median: fn(&Figures) -> Duration| match ours {
            Some(ours) if ours != i => format!("{:.2}", ratio(median(f), median(&figures[ours]))),
            _ => String::new(),
        };
        _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            contender.name,
            costs[i].len(),
            ms(f.wall.0),
            ms(f.wall.1),
            ms(f.cpu.0),
            ms(f.cpu.1),
            to(|f| f.wall.1),
            to(|f| f.cpu.1),
        );
    }
    text.push('\n');
    if let Some(ours) = ours {
        for (i, rival) in contenders
            .iter()
            .enumerate()
            .filter(|(_, c)| c.role == Role::Rival)
        {
            let (a, b) = (&figures[ours], &figures[i]);
            _ = writeln!(
                text,
                "{} / {}: wall median {:.2}, wall minimum {:.2}, CPU median {:.2}",
                contenders[ours].name,
                rival.name,
                ratio(a.wall.1, b.wall.1),
                ratio(a.wall.0, b.wall.0),
                ratio(a.cpu.1, b.cpu.1),
            );
        }
    }
    text
}

/// Minimum and median.
struct Figures {
    wall: (Duration, Duration),
    cpu: (Duration, Duration),
}

impl Figures {
    fn of(costs: &[Cost]) -> Figures {
        Figures {
            wall: ends(costs.iter().map(|c| c.wall)),
            cpu: ends(costs.iter().map(|c| c.cpu)),
        }
    }
}

fn ends(values: impl Iterator<Item = Duration>) -> (Duration, Duration) {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    let median = match values.len() {
        0 => Duration::ZERO,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2,
    };
    (values.first().copied().unwrap_or_default(), median)
}

fn ratio(a: Duration, b: Duration) -> f64 {
    if b.is_zero() {
        f64::NAN
    } else {
        a.as_secs_f64() / b.as_secs_f64()
    }
}

fn ms(of: Duration) -> String {
    format!("{:.1}", of.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &str, role: Role) -> Contender {
        Contender {
            name: name.into(),
            role,
            prepare: vec![],
            command: vec![],
        }
    }

    #[test]
    fn medians_minima_and_ratios() {
        let cost = |wall, cpu| Cost {
            wall: Duration::from_millis(wall),
            cpu: Duration::from_millis(cpu),
        };
        let ours = vec![cost(30, 3), cost(10, 1), cost(20, 2)];
        let rival = vec![cost(100, 8), cost(60, 12), cost(90, 4), cost(70, 16)];
        let (a, b) = (contender("a", Role::Ours), contender("b", Role::Rival));
        let text = table("t", &[&a, &b], &[ours, rival]);
        assert!(
            text.contains("| a | 3 | 10.0 | 20.0 | 1.0 | 2.0 |  |  |\n"),
            "{text}"
        );
        assert!(
            text.contains("| b | 4 | 60.0 | 80.0 | 4.0 | 10.0 | 4.00 | 5.00 |\n"),
            "{text}"
        );
        assert!(
            text.ends_with("a / b: wall median 0.25, wall minimum 0.17, CPU median 0.20\n"),
            "{text}"
        );
    }
}
