use super::*;

fn id(digit: char) -> Oid {
    Oid::from_str(&digit.to_string().repeat(40)).unwrap()
}

fn references(list: &[(&str, char)]) -> References {
    let list = list.iter().map(|(name, digit)| Reference {
        name: (*name).to_owned(),
        id: id(*digit),
        commit: id(*digit),
    });
    References { list: list.collect(), head: None }
}

fn choose<'a>(references: &'a References, text: &str) -> Result<Choice<'a>, SourceError> {
    references.choose(&parse(text).unwrap())
}

#[test]
fn names_are_branches_then_tags_then_commits() {
    let all = references(&[
        ("HEAD", 'a'),
        ("refs/heads/main", 'a'),
        ("refs/tags/v1", 'b'),
        ("refs/heads/abcdef0", 'c'),
    ]);
    let named = |text: &str| match choose(&all, text).unwrap() {
        Choice::Reference(r) => r.name.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(named("main"), "refs/heads/main");
    assert_eq!(named("refs/tags/v1"), "refs/tags/v1");
    assert_eq!(named("v1"), "refs/tags/v1");
    assert_eq!(named("abcdef0"), "refs/heads/abcdef0", "a branch may look like a commit");
    assert_eq!(named("HEAD"), "HEAD");
    assert_eq!(choose(&all, "ABCDEF01").unwrap(), Choice::Prefix("abcdef01".into()));
    assert_eq!(choose(&all, &"d".repeat(40)).unwrap(), Choice::Commit(id('d')));
}

#[test]
fn head_is_the_branch_the_server_says() {
    let mut all = references(&[("HEAD", 'a'), ("refs/heads/trunk", 'a')]);
    all.head = Some("refs/heads/trunk".into());
    let Choice::Reference(r) = choose(&all, "HEAD").unwrap() else { panic!() };
    assert_eq!(r.name, "refs/heads/trunk");
}

#[test]
fn a_name_with_two_meanings_is_refused_unless_they_agree() {
    let apart = references(&[("refs/heads/x", 'a'), ("refs/tags/x", 'b')]);
    let error = choose(&apart, "x").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    assert!(error.to_string().contains("refs/tags/x"), "{error}");
    assert!(choose(&references(&[("refs/heads/x", 'a'), ("refs/tags/x", 'a')]), "x").is_ok());
}

#[test]
fn unknown_names_come_with_names_that_look_alike() {
    let all = references(&[("refs/heads/main", 'a'), ("refs/heads/other", 'a')]);
    let error = choose(&all, "mian").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.to_string().contains("did you mean `main`"), "{error}");
    let error = choose(&all, "abcde").unwrap_err();
    assert!(error.to_string().contains("too short"), "{error}");
    let error = choose(&References::default(), "HEAD").unwrap_err();
    assert!(error.to_string().contains("no commit yet"), "{error}");
}

#[test]
fn expressions_and_impossible_names_are_refused() {
    for text in
        ["", "main~1", "main^", "a..b", "HEAD@{1}", "-x", "a b", "x:y", "a\nb", "refs/", "x.lock", "é\u{7f}"]
    {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage, "{text}");
    }
    assert!(parse("feature/ü").is_ok());
}

#[test]
fn several_commits_with_one_prefix_are_listed() {
    assert_eq!(only("a", vec![id('a'), id('a')]).unwrap(), Some(id('a')));
    assert_eq!(only("a", vec![]).unwrap(), None);
    let error = only("a", vec![id('a'), id('b')]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    assert!(error.to_string().contains(&id('b').to_string()), "{error}");
}
