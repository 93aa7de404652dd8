//! The `WWW-Authenticate` header of a registry (RFC 9110, 11.6.1): bytes from outside, parsed with bounds.

/// Longest header that is looked at.
const LENGTH_LIMIT: usize = 8 * 1024;
/// Most challenges, and most parameters of one.
const COUNT_LIMIT: usize = 16;

/// One way a registry lets itself be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User and password in each request (RFC 7617).
    Basic,
    /// A token from another server (distribution-spec, "token authentication").
    Bearer {
        /// Where tokens are to be had.
        realm: String,
        /// For whom the token is meant.
        service: Option<String>,
        /// What the registry wants the token to allow.
        scope: Option<String>,
    },
}

/// The challenges we can answer in one header value; unknown schemes are skipped, a malformed rest is dropped.
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let Some(header) = header.get(..header.len().min(LENGTH_LIMIT)) else {
        return found;
    };
    let mut input = Input(header);
    while found.len() < COUNT_LIMIT {
        input.skip_separators();
        let Some(scheme) = input.token() else { break };
        let Some(parameters) = input.parameters() else {
            break;
        };
        if let Some(challenge) = challenge(scheme, &parameters) {
            found.push(challenge);
        }
    }
    found
}

fn challenge(scheme: &str, parameters: &[(String, String)]) -> Option<Challenge> {
    let get = |name: &str| {
        let found = parameters.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.clone()).filter(|v| !v.is_empty())
    };
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: get("realm")?,
            service: get("service"),
            scope: get("scope"),
        }),
        _ => None,
    }
}

/// What is left of the header.
struct Input<'a>(&'a str);

impl<'a> Input<'a> {
    fn skip_separators(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
    }

    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    /// A token of RFC 9110, 5.6.2.
    fn token(&mut self) -> Option<&'a str> {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.0.find(|c| !token(c)).unwrap_or(self.0.len());
        let (head, rest) = self.0.split_at(end);
        self.0 = rest;
        (!head.is_empty()).then_some(head)
    }

    /// The parameters of a scheme up to the next one; `None` where they are malformed.
    fn parameters(&mut self) -> Option<Vec<(String, String)>> {
        let mut list = Vec::new();
        loop {
            let before = self.0;
            self.skip_separators();
            let Some(name) = self.token() else {
                return self.0.is_empty().then_some(list);
            };
            self.skip_spaces();
            let Some(rest) = self.0.strip_prefix('=') else {
                // No parameter: the next scheme, or a token68 such as Negotiate's.
                if !list.is_empty()
                    || before.trim_start_matches([' ', '\t']).starts_with(',')
                    || before == self.0
                {
                    self.0 = before;
                    return Some(list);
                }
                return self.after_lone_token(before, list);
            };
            self.0 = rest;
            self.skip_spaces();
            if self.0.is_empty() || self.0.starts_with(['=', ',']) {
                // Padding: the token was a token68.
                self.0 = self.0.trim_start_matches('=');
                continue;
            }
            let value = match self.0.strip_prefix('"') {
                Some(rest) => self.quoted(rest)?,
                None => self.token()?.to_owned(),
            };
            if list.len() >= COUNT_LIMIT {
                return None;
            }
            list.push((name.to_ascii_lowercase(), value));
        }
    }

    /// After `scheme token` without `=`: a token68 where a comma or the end follows, else the next scheme.
    fn after_lone_token(
        &mut self,
        before: &'a str,
        list: Vec<(String, String)>,
    ) -> Option<Vec<(String, String)>> {
        if !(self.0.is_empty() || self.0.starts_with(',')) {
            self.0 = before;
        }
        Some(list)
    }

    /// A quoted string whose opening quote is gone (RFC 9110, 5.6.4).
    fn quoted(&mut self, text: &'a str) -> Option<String> {
        let mut value = String::new();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &text[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c if c.is_control() && c != '\t' => return None,
                c => value.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        }
    }

    #[test]
    fn challenges_are_read() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        let full = bearer(
            "https://auth.docker.io/token",
            Some("registry.docker.io"),
            Some("repository:a/b:pull,push"),
        );
        for (header, expected) in [
            (hub, vec![full]),
            (r#"Basic realm="Registry Realm""#, vec![Challenge::Basic]),
            ("basic", vec![Challenge::Basic]),
            (
                r#"BEARER Realm = "r" , Service=s"#,
                vec![bearer("r", Some("s"), None)],
            ),
            (
                r#"Basic realm="a, Bearer realm=b", Bearer realm="c""#,
                vec![Challenge::Basic, bearer("c", None, None)],
            ),
            (
                "Basic, Bearer realm=c",
                vec![Challenge::Basic, bearer("c", None, None)],
            ),
            (r"Negotiate abc==, Basic realm=x", vec![Challenge::Basic]),
            (r"NTLM, Basic realm=x", vec![Challenge::Basic]),
            (r#"Bearer realm="a\"b\\c""#, vec![bearer(r#"a"b\c"#, None, None)]),
            ("Bearer service=x", vec![]),
            (r#"Bearer realm="""#, vec![]),
            (r#"Bearer realm="unterminated"#, vec![]),
            ("Bearer realm", vec![]),
            ("", vec![]),
            (",,, ,", vec![]),
            ("= = =", vec![]),
        ] {
            assert_eq!(parse(header), expected, "{header}");
        }
    }

    #[test]
    fn nothing_takes_long_or_panics() {
        parse(&"Basic ".repeat(100_000));
        parse(&"a=".repeat(100_000));
        parse(&format!("Bearer {}", "a=b,".repeat(5000)));
        parse(&format!("{}é", "x".repeat(LENGTH_LIMIT - 1)));
        let pieces = [
            "Basic", "Bearer", " ", ",", "=", "\"", "\\", "realm", "a", "é", "\t", "\u{1}",
        ];
        // Every sequence of five pieces: the parser must come to an end on each.
        for n in 0..pieces.len().pow(5) {
            let text: String = (0..5)
                .map(|i| pieces[n / pieces.len().pow(i) % pieces.len()])
                .collect();
            parse(&text);
        }
    }
}
