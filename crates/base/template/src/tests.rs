//! Templates as scripts write them, and what they say.

use super::*;
use serde_json::json;

fn data() -> Value {
    json!({
        "ID": "4f5e", "Names": "web", "Size": 3, "Ratio": 0.5, "Nothing": null, "Empty": [],
        "Label": {"com.x": "y"},
        "Config": {"Env": ["A=1", "B=2"], "Labels": {"a.b": "c", "d": "e"}, "Tty": false},
        "State": {"Running": true, "ExitCode": 137, "Health": null},
        "Mounts": [{"Source": "/a", "Destination": "/b"}, {"Source": "/c", "Destination": "/d"}],
    })
}

fn said(text: &str) -> String {
    match Template::parse(text).and_then(|template| template.render(&data())) {
        Ok(said) => said,
        Err(e) => format!("{:?}: {e}", e.kind()),
    }
}

#[test]
fn values_and_fields() {
    for (text, expected) in [
        ("", ""),
        ("plain } } text", "plain } } text"),
        ("{{.ID}}\t{{.Names}}", "4f5e\tweb"),
        ("{{.Id}} {{ .names }}", "4f5e web"),
        ("{{.State.ExitCode}}", "137"),
        ("{{.Nothing}} {{.Nothing.Deeper}}", "<no value> <no value>"),
        ("{{.Config.Env}} {{.Config.Labels}}", "[A=1 B=2] map[a.b:c d:e]"),
        ("{{.Config.Labels.d}} {{.Config.Labels.no}}", "e <no value>"),
        (
            "{{json .State}}",
            r#"{"ExitCode":137,"Health":null,"Running":true}"#,
        ),
        ("{{json .Names}}", "\"web\""),
        (r#"{{.Label "com.x"}}|{{.Label "no"}}|"#, "y||"),
        ("{{.Ratio}}", "0.5"),
        ("a {{- .ID -}} b{{/* a comment */}}c", "a4f5ebc"),
        ("{{- /* trims */ -}} x", "x"),
        (r#"{{"a\tb\u00e4\x41\"\\"}}{{`raw\n`}}"#, "a\tbäA\"\\raw\\n"),
        ("{{-1}} {{0x10}} {{1.5}} {{true}} {{+2}}", "-1 16 1.5 true 2"),
        ("{{(index .Mounts 1).Source}}", "/c"),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn blocks_and_variables() {
    for (text, expected) in [
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        (
            "{{if .Empty}}a{{else if .Nothing}}b{{else if .Size}}c{{end}}",
            "c",
        ),
        ("{{if and .State.Running (eq .Size 3)}}yes{{end}}", "yes"),
        ("{{if or .Nothing .State.Health}}yes{{else}}no{{end}}", "no"),
        ("{{with .State}}{{.ExitCode}}{{$.Names}}{{end}}", "137web"),
        ("{{with .Nothing}}{{.Bad}}{{else}}none{{end}}", "none"),
        ("{{with $x := .ID}}{{$x}}{{end}}", "4f5e"),
        ("{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n"),
        (
            "{{range $i, $m := .Mounts}}{{$i}}{{$m.Source}}:{{.Destination}} {{end}}",
            "0/a:/b 1/c:/d ",
        ),
        (
            "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}},{{end}}",
            "a.b=c,d=e,",
        ),
        ("{{range .Empty}}x{{else}}empty{{end}}", "empty"),
        (
            "{{range $x := .Config.Env}}{{if eq $x \"A=1\"}}{{continue}}{{end}}{{$x}}{{end}}",
            "B=2",
        ),
        ("{{range .Config.Env}}{{.}}{{break}}{{end}}", "A=1"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        (
            "{{$a := 1}}{{if true}}{{$a = 2}}{{$b := 3}}{{$b}}{{end}}{{$a}}",
            "32",
        ),
        ("{{.ID | printf \"%s-%s\" \"x\" | upper}}", "X-4F5E"),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn functions_as_gos_and_dockers() {
    for (text, expected) in [
        (
            r#"{{index .Config.Labels "a.b"}}{{index .Config.Labels "no"}}"#,
            "c",
        ),
        ("{{index .Config.Env 1}}", "B=2"),
        (r#"{{index .Nothing "x"}}"#, ""),
        (r#"{{join .Config.Env ", "}}"#, "A=1, B=2"),
        (r#"{{range split "a/b" "/"}}[{{.}}]{{end}}"#, "[a][b]"),
        (
            r#"{{lower "AB"}}{{upper "cd"}}{{title "web site"}}"#,
            "abCDWeb Site",
        ),
        (r#"{{pad .Names 1 2}}|{{truncate .Names 2}}"#, " web  |we"),
        ("{{len .Config.Env}}{{len .Names}}{{len .Nothing}}", "230"),
        ("{{slice .Names 1}} {{slice .Config.Env 0 1}}", "eb [A=1]"),
        ("{{print 1 2 .ID}}{{print .ID .Names}}", "1 24f5e4f5eweb"),
        (
            r#"{{printf "%-6s|%4d|%04d|%.1f|%q|%v|%t|%x|%%" .Names 7 7 1.25 .ID .Config.Env true 255}}"#,
            "web   |   7|0007|1.2|\"4f5e\"|[A=1 B=2]|true|ff|%",
        ),
        (r#"{{printf "%d %s" .Names}}"#, "%!d(web) %!s(MISSING)"),
        (
            "{{eq .Size 1 2 3}}{{ne .Size 3}}{{lt 1 2}}{{ge 2 2}}{{gt \"a\" \"b\"}}{{le 1.5 1}}",
            "truefalsetruetruefalsefalse",
        ),
        ("{{not .Empty}}{{and 1 0}}{{or \"\" \"x\"}}", "true0x"),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (text, expected) in [
        ("{{.ID", "an action has no end"),
        ("{{.ID}", "is not understood"),
        ("{{if .ID}}x", "an {{if}} has no {{end}}"),
        ("{{range .Empty}}", "a {{range}} has no {{end}}"),
        ("{{end}}", "nothing to end"),
        ("{{else}}", "outside of a block"),
        ("{{}}", "a command is missing"),
        ("{{.ID | }}", "a command is missing"),
        ("{{\"x}}", "a text in quotes has no end"),
        ("{{`x}}", "a raw text has no end"),
        ("{{/* x}}", "a comment has no end"),
        ("{{\"\\y\"}}", "an escape"),
        ("{{(1}}", "a parenthesis is not closed"),
        ("{{nosuch .ID}}", "there is no function nosuch"),
        ("{{template \"x\"}}", "template is not served"),
        ("{{break}}", "outside of a range"),
        ("{{1x}}", "is no number"),
        ("{{$x}}", "there is no variable $x"),
        ("{{$x = 1}}", "there is no variable $x"),
        ("{{.Nmaes}}", "there is no field .Nmaes"),
        ("{{.ID.Name}}", "has no fields"),
        ("{{.ID 1}}", "only a function takes arguments"),
        ("{{range .ID}}{{end}}", "range cannot go over"),
        ("{{index .Config.Env 7}}", "there is no number 7"),
        ("{{lt 1 \"a\"}}", "compares two texts or two numbers"),
        ("{{upper}}", "it wants 1 arguments"),
        ("{{printf \"%99999d\" 1}}", "nothing is wider"),
        ("{{printf \"%w\" 1}}", "%w is not served"),
        ("{{.A..B}}", "the name of a field is missing"),
        ("{{range $a, $b .X}}{{end}}", "after the comma"),
    ] {
        let said = said(text);
        assert!(said.contains(expected), "{text}: {said}");
    }
    let hint = |text: &str| {
        let e = Template::parse(text).and_then(|t| t.render(&data())).unwrap_err();
        e.first_hint().unwrap_or_default().to_owned()
    };
    assert_eq!(hint("{{.Nmaes}}"), "did you mean .Names?");
    assert_eq!(hint("{{uper .ID}}"), "did you mean upper?");
    assert_eq!(hint("{{Names}}"), "a field begins with a dot: .Names");
}

#[test]
fn neither_text_nor_data_makes_it_use_much() {
    let nested = |n: usize| {
        format!(
            "{}1{}",
            "{{if ".to_owned() + &"(".repeat(n),
            ")".repeat(n) + "}}{{end}}"
        )
    };
    assert!(said(&nested(20)).is_empty());
    assert!(said(&nested(1000)).contains("deep"));
    let blocks = "{{if 1}}".repeat(1000) + &"{{end}}".repeat(1000);
    assert!(said(&blocks).contains("deep"));
    assert!(said(&"x".repeat(LONGEST + 1)).contains("longer than"));
    let many = "{{range 999999}}{{range 999999}}x{{end}}{{end}}";
    assert!(said(many).starts_with("Exhausted"), "{}", said(many));
    let large = "{{$x := `0123456789`}}{{range 40}}{{$x = print $x $x}}{{end}}";
    assert!(said(large).starts_with("Exhausted"));
    assert!(said("{{range 99999999999}}{{end}}").starts_with("Exhausted"));
}
