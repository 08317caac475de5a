use super::*;
use serde_json::{Value, json};

fn read(bytes: impl AsRef<[u8]>) -> (Vec<Value>, Vec<String>) {
    let file = SourceFile { path: "a.yaml".into(), bytes: bytes.as_ref().to_vec() };
    let mut problems = Problems::default();
    let documents = parse(&file, &mut Budget::default(), &mut problems);
    let messages = problems.into_sorted().iter().map(ToString::to_string).collect();
    (documents.iter().map(Node::to_json).collect(), messages)
}

fn good(bytes: impl AsRef<[u8]>) -> Vec<Value> {
    let (documents, problems) = read(bytes);
    assert_eq!(problems, Vec::<String>::new());
    documents
}

fn bad(bytes: impl AsRef<[u8]>) -> String {
    let (_, problems) = read(bytes);
    assert!(!problems.is_empty(), "no problem found");
    problems.join("\n")
}

#[test]
fn quoted_scalars_stay_text_and_plain_ones_are_resolved() {
    let text = "a: 0644\nb: '0644'\nc: \"yes\"\nd: yes\ne: !!str 12\nf: ! 12\ng: !!int '12'\nh: |\n  12\ni: 2001-01-01\nj: ~\nk:\n";
    let want = json!({"a": 420, "b": "0644", "c": "yes", "d": true, "e": "12", "f": "12", "g": 12, "h": "12\n",
        "i": "2001-01-01", "j": null, "k": null});
    assert_eq!(good(text), [want]);
}

#[test]
fn many_documents_are_read_and_empty_ones_are_ignored() {
    assert_eq!(
        good("---\n# only a comment\n---\na: 1\n---\n---\nb: 2\n...\n"),
        [json!({"a": 1}), json!({"b": 2})]
    );
    assert_eq!(good(""), Vec::<Value>::new());
    assert_eq!(good("# nothing\n"), Vec::<Value>::new());
}

#[test]
fn a_broken_document_does_not_hide_the_next_one() {
    let (documents, problems) = read("a: [1\n---\nb: 2\n---\nc: {\n---\nd: 4\n");
    assert_eq!(documents, [json!({"b": 2}), json!({"d": 4})]);
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn json_is_read_with_tabs_escapes_and_big_numbers() {
    let text = "{\n\t\"a\": \"\\u00e9\\ud83d\\ude00\\/\",\r\n\t\"b\": [1, -2.5e3, true, null],\n\t\"c\": {\"d\":9223372036854775807}\n}\n";
    let want = json!({"a": "é😀/", "b": [1, -2500, true, null], "c": {"d": 9_223_372_036_854_775_807_i64}});
    assert_eq!(good(text), [want]);
}

#[test]
fn json_on_one_long_line_is_read() {
    let item = format!("{{\"name\":\"x\",\"value\":\"{}\"}}", "v".repeat(3000));
    let text = format!("{{\"environment\":[{item},{item}]}}");
    assert_eq!(good(&text), [serde_json::from_str::<Value>(&text).unwrap()]);
}

#[test]
fn byte_order_marks_and_windows_line_ends_do_not_matter() {
    assert_eq!(good("\u{feff}a: 1\r\nb: |\r\n  x\r\n  y\r\n"), [json!({"a": 1, "b": "x\ny\n"})]);
}

#[test]
fn other_encodings_are_named() {
    let utf16: Vec<u8> = "a: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(bad(&utf16), "a.yaml:1: the file is UTF-16; save it as UTF-8");
    assert!(bad(b"\0GITCRYPT\0\x12\x34").contains("git-crypt"));
    assert_eq!(bad(b"\xff\xfea\0"), "a.yaml:1: the file is UTF-16; save it as UTF-8");
    assert_eq!(bad(b"a: 1\nb: \xe9\n"), "a.yaml:2: the file is not UTF-8 from here on; save it as UTF-8");
    assert_eq!(
        bad("a: 1\nb: x\0y\n"),
        "a.yaml:2: control character U+0000; write it as an escape in double quotes"
    );
    assert_eq!(bad("a: \"x\\0y\"\n"), "a.yaml:1: text with the character U+0000 is not supported");
}

#[test]
fn a_key_that_is_no_text_is_an_error() {
    assert_eq!(
        bad("a: 1\nn: 2\n"),
        "a.yaml:2: the key `n` reads as the boolean false; write \"n\" in quotes"
    );
    assert_eq!(
        bad("8080: a\n"),
        "a.yaml:1: the key `8080` reads as the number 8080; write \"8080\" in quotes"
    );
    assert!(bad("[a, b]: c\n").contains("as a key"));
    assert!(bad("{a: b}: c\n").contains("as a key"));
    assert!(bad("~: c\n").contains("a key is missing"));
    assert!(bad(format!("{}: c\n", "k".repeat(600))).contains("longer than 256"));
    assert!(!bad(format!("{}: c\n", "k".repeat(1 << 20))).is_empty());
    assert!(bad("\"a\\tb\": c\n").contains("control character"));
    assert_eq!(good("'n': 2\n"), [json!({"n": 2})]);
}

#[test]
fn a_key_given_twice_names_both_lines() {
    assert_eq!(bad("a: 1\nb: 2\na: 3\n"), "a.yaml:3: the key \"a\" was already given in line 1");
    assert_eq!(bad("{\"a\": 1, \"a\": 3}"), "a.yaml:1: the key \"a\" was already given in line 1");
}

#[test]
fn merge_keys_fill_in_what_is_not_written() {
    let text = "base: &b {x: 1, w: 2}\nmore: &m {w: 3, z: 4}\nthis:\n  <<: [*b, *m]\n  x: 9\n";
    assert_eq!(good(text)[0]["this"], json!({"x": 9, "w": 2, "z": 4}));
    assert_eq!(good("'<<': 1\n"), [json!({"<<": 1})]);
    assert!(bad("a:\n  <<: 1\n").contains("merge key"));
}

#[test]
fn aliases_are_expanded_within_bounds() {
    assert_eq!(good("a: &x [1, 2]\nb: *x\n"), [json!({"a": [1, 2], "b": [1, 2]})]);
    assert_eq!(bad("b: *x\n"), "a.yaml:1: an alias (*name) has no anchor (&name) before it in this document");
    assert!(bad("a: &x [1, *x]\n").contains("inside of what it names"));
    let mut bomb = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
    for i in 1..12 {
        let item = format!("*a{},", i - 1).repeat(10);
        bomb.push_str(&format!("a{i}: &a{i} [{item}]\n"));
    }
    assert!(bad(&bomb).contains("add more than") || bad(&bomb).contains("hold more than"));
    let nested = format!("{}1{}", "&a [".repeat(60), "]".repeat(60));
    assert!(read(&nested).1.is_empty());
}

#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
        assert!(bad(&text).contains("nested deeper than 64"), "{}", bad(&text));
    }
    let mut block = String::new();
    for depth in 0..200 {
        block.push_str(&format!("{}a:\n", " ".repeat(depth)));
    }
    assert!(bad(&block).contains("nested deeper than 64"));
}

#[test]
fn tags_are_kept_to_or_refused() {
    assert!(bad("a: !!binary aGVsbG8=\n").contains("the tag !!binary is not supported"));
    assert!(bad("a: !Sub x\n").contains("the tag !Sub is not supported"));
    assert!(bad("a: !Ref [x]\n").contains("the tag !Ref is not supported"));
    assert!(bad("a: !!int x\n").contains("not what its tag !!int says"));
    assert_eq!(good("a: !!map {b: !!seq [!!bool yes]}\n"), [json!({"a": {"b": [true]}})]);
}

#[test]
fn tabs_as_indentation_are_explained() {
    assert!(bad("a:\n\tb: 1\n").contains("tab"), "{}", bad("a:\n\tb: 1\n"));
}

#[test]
fn every_value_knows_its_line() {
    let file = SourceFile {
        path: "a.yaml".into(),
        bytes: b"# c\na:\n  - b: 1\n    c:\n      d: x\n  - e\n".to_vec(),
    };
    let mut problems = Problems::default();
    let documents = parse(&file, &mut Budget::default(), &mut problems);
    let root = &documents[0];
    for (path, line) in
        [("a", 2), ("a[0].b", 3), ("a[0].c", 4), ("a[0].c.d", 5), ("a[1]", 6), ("a[0].c.missing", 4)]
    {
        assert_eq!(root.line_of(path), line, "{path}");
    }
}

#[test]
fn a_repository_with_too_many_documents_or_values_is_cut_off() {
    for (text, documents, values) in [("---\n".repeat(20), 10, 100), ("[1, 2, 3, 4, 5, 6]\n".into(), 10, 5)] {
        let file = SourceFile { path: "a.yaml".into(), bytes: text.into() };
        let mut budget = Budget { documents, values, is_spent: false };
        let mut problems = Problems::default();
        parse(&file, &mut budget, &mut problems);
        assert!(budget.is_spent);
        assert!(parse(&file, &mut budget, &mut problems).is_empty(), "nothing is read after that");
        let text: Vec<String> = problems.into_sorted().iter().map(ToString::to_string).collect();
        assert!(text[0].contains("split it into several Applications"), "{text:?}");
    }
}
