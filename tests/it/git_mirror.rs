//! The mirror: force-pushes, deleted branches, damage, and several processes.

use super::git_servers::{HttpRules, HttpServer};
use super::git_support::{Fixture, git, open, read_only_file, resolve};
use cutover::source::ErrorKind;
use std::path::Path;

fn start(fixture: &Fixture) -> HttpServer {
    HttpServer::start(fixture.folder.path(), HttpRules::default())
}

#[test]
fn repeated_fetches_survive_force_pushes() {
    let fixture = Fixture::new();
    let server = start(&fixture);
    let mut repository = open(&server.url(), &fixture.options());
    let mut seen = Vec::new();
    for round in 0..6 {
        // Another history each time: amended, rewound, or wholly unrelated.
        match round % 3 {
            0 => drop(git(&fixture.work(), &["commit", "-q", "--amend", "-m", &format!("Amended {round}")])),
            1 => drop(git(&fixture.work(), &["checkout", "-q", "--orphan", &format!("o{round}")])),
            _ => {}
        }
        fixture.write("apps/shop/web.yaml", &format!("version: {round}\n"));
        git(&fixture.work(), &["add", "-A"]);
        git(&fixture.work(), &["commit", "-q", "-m", &format!("Round {round}")]);
        git(&fixture.work(), &["push", "-q", "-f", "origin", "HEAD:main"]);
        let commit = repository.resolve("main").unwrap();
        assert_eq!(
            (&commit.id, commit.fetched, commit.notices.len()),
            (&fixture.id("HEAD"), true, 0),
            "{commit:?}"
        );
        assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), format!("version: {round}\n"));
        seen.push(commit.id);
    }
    // Back to a commit that was there before: nothing to fetch.
    git(&fixture.bare(), &["update-ref", "refs/heads/main", &seen[2]]);
    let commit = repository.resolve("main").unwrap();
    assert_eq!((&commit.id, commit.fetched), (&seen[2], false));
    git(&fixture.mirror(), &["fsck", "--no-dangling"]);
}

#[test]
fn a_deleted_branch_is_named_with_its_last_commit() {
    let fixture = Fixture::new();
    git(&fixture.work(), &["checkout", "-q", "-b", "team/feature"]);
    let id = fixture.commit("apps/shop/web.yaml", "version: 2\n", "A feature");
    let server = start(&fixture);
    let mut repository = open(&server.url(), &fixture.options());
    repository.resolve("team/feature").unwrap();
    git(&fixture.work(), &["push", "-q", "origin", ":team/feature"]);
    let error = repository.resolve("team/feature").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let text = error.to_string();
    assert!(text.contains("branch team/feature no longer exists on http://127.0.0.1"), "{text}");
    assert!(text.contains(&format!("it was at {id} (A feature)")), "{text}");
    // A branch whose name is the start of the deleted one's does not collide with what is remembered.
    git(&fixture.work(), &["checkout", "-q", "main"]);
    git(&fixture.work(), &["branch", "-D", "-q", "team/feature"]);
    git(&fixture.work(), &["checkout", "-q", "-b", "team"]);
    git(&fixture.work(), &["push", "-q", "origin", "team"]);
    assert_eq!(repository.resolve("team").unwrap().id, fixture.id("main"));
}

/// Damages a mirror in one way after the other; each time the next run must come to the right commit.
#[test]
fn a_damaged_mirror_is_made_anew() {
    let fixture = Fixture::new();
    let server = start(&fixture);
    let options = fixture.options();
    let id = resolve(&server.url(), &options, "main").unwrap().id;
    let pack = |mirror: &Path, end: &str| {
        let packs = std::fs::read_dir(mirror.join("objects/pack")).unwrap().map(|e| e.unwrap().path());
        packs.into_iter().find(|p| p.extension().is_some_and(|e| e == end)).expect("a pack")
    };
    let overwrite = |path: &Path, bytes: &[u8]| {
        let mut permissions = std::fs::metadata(path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
        std::fs::set_permissions(path, permissions).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    type Damage<'a> = (&'a str, &'a dyn Fn(&Path));
    let ways: [Damage<'_>; 9] = [
        ("no HEAD", &|m| std::fs::remove_file(m.join("HEAD")).unwrap()),
        ("no objects", &|m| std::fs::remove_dir_all(m.join("objects")).unwrap()),
        ("only a folder", &|m| {
            std::fs::remove_dir_all(m).unwrap();
            std::fs::create_dir(m).unwrap();
        }),
        ("a pack without index", &|m| std::fs::remove_file(pack(m, "idx")).unwrap()),
        ("a truncated pack", &|m| {
            let path = pack(m, "pack");
            let bytes = std::fs::read(&path).unwrap();
            overwrite(&path, &bytes[..bytes.len() / 2]);
        }),
        ("a scribbled pack", &|m| {
            let path = pack(m, "pack");
            let mut bytes = std::fs::read(&path).unwrap();
            let end = bytes.len() - 20;
            bytes[12..end].iter_mut().for_each(|b| *b ^= 0x55);
            overwrite(&path, &bytes);
        }),
        ("an empty index", &|m| overwrite(&pack(m, "idx"), b"")),
        ("a broken reference", &|m| {
            for entry in std::fs::read_dir(m.join("refs/known")).unwrap() {
                std::fs::write(entry.unwrap().path(), "no commit\n").unwrap();
            }
        }),
        ("a broken configuration", &|m| std::fs::write(m.join("config"), "[core\n").unwrap()),
    ];
    for (name, damage) in ways {
        damage(&fixture.mirror());
        let mut repository = open(&server.url(), &options);
        let commit = repository.resolve("main").unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(commit.id, id, "{name}");
        assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), "version: 1\n", "{name}");
        let left = std::fs::read_dir(fixture.folder.path().join("cache/git")).unwrap().count();
        assert_eq!(left, 2, "{name}: the mirror and its lock, nothing else");
    }
}

#[test]
fn damage_that_shows_only_when_files_are_read_is_healed_too() {
    let fixture = Fixture::new();
    let server = start(&fixture);
    let mut repository = open(&server.url(), &fixture.options());
    let commit = repository.resolve("main").unwrap();
    let _ = std::fs::remove_dir_all(fixture.mirror());
    assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), "version: 1\n");
}

#[test]
fn what_a_killed_process_left_behind_is_no_obstacle() {
    let fixture = Fixture::new();
    let server = start(&fixture);
    let mut repository = open(&server.url(), &fixture.options());
    repository.resolve("main").unwrap();
    let mirror = fixture.mirror();
    let aside = mirror.with_extension("git.new-4711");
    std::fs::create_dir_all(aside.join("objects")).unwrap();
    std::fs::create_dir_all(mirror.with_extension("git.old-4711")).unwrap();
    for left in
        ["shallow.lock", "HEAD.lock", "packed-refs.lock", "refs/known/x.lock", "objects/pack/pack_git2_x1"]
    {
        std::fs::write(mirror.join(left), "half").unwrap();
    }
    let id = fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let commit = repository.resolve("main").unwrap();
    assert_eq!((commit.id, commit.notices), (id, vec![]));
    assert!(!aside.exists() && !mirror.join("objects/pack/pack_git2_x1").exists());
}

#[test]
fn a_mirror_with_very_many_packs_is_made_anew() {
    let fixture = Fixture::new();
    let server = start(&fixture);
    let mut repository = open(&server.url(), &fixture.options());
    repository.resolve("main").unwrap();
    for index in 0..300 {
        std::fs::write(fixture.mirror().join(format!("objects/pack/pack-{index}.pack")), "").unwrap();
    }
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let commit = repository.resolve("main").unwrap();
    assert!(commit.notices[0].contains("made anew"), "{:?}", commit.notices);
    assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), "version: 2\n");
    let packs = std::fs::read_dir(fixture.mirror().join("objects/pack")).unwrap().count();
    assert!(packs <= 3, "{packs}");
}

#[test]
fn many_at_once_share_one_mirror() {
    let fixture = Fixture::new();
    let server = start(&fixture);
    let options = fixture.options();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let mut repository = open(&server.url(), &options);
                    let commit = repository.resolve("main").unwrap();
                    let text = read_only_file(&mut repository, &commit, "apps/shop");
                    assert!(text.starts_with("version: "), "{text}");
                }
            });
        }
        for version in 2..6 {
            fixture.commit("apps/shop/web.yaml", &format!("version: {version}\n"), "Shop");
        }
    });
    let commit = resolve(&server.url(), &options, "main").unwrap();
    assert_eq!(commit.id, fixture.id("HEAD"));
    git(&fixture.mirror(), &["fsck", "--no-dangling"]);
}

#[test]
fn a_mirror_that_is_held_all_the_time_is_a_clear_error() {
    let fixture = Fixture::new();
    let server = start(&fixture);
    let mut options = fixture.options();
    resolve(&server.url(), &options, "main").unwrap();
    let lock = std::fs::File::open(fixture.mirror().with_extension("lock")).unwrap();
    lock.lock().unwrap();
    options.timeout = std::time::Duration::from_secs(3);
    let error = resolve(&server.url(), &options, "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy);
    assert!(error.to_string().contains(".lock"), "{error}");
    drop(lock);
    resolve(&server.url(), &options, "main").unwrap();
}

#[test]
fn a_cache_that_can_not_be_written_says_which_and_how_to_choose_another() {
    let fixture = Fixture::new();
    let server = start(&fixture);
    let mut options = fixture.options();
    options.cache_dir = fixture.bare().join("HEAD");
    let error = resolve(&server.url(), &options, "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Local);
    assert!(error.to_string().contains("XDG_CACHE_HOME"), "{error}");
}

#[test]
fn the_cache_is_the_users_alone() {
    let fixture = Fixture::new();
    let server = start(&fixture);
    resolve(&server.url(), &fixture.options(), "main").unwrap();
    let folder = fixture.folder.path().join("cache/git");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(folder).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn two_commits_with_one_prefix_are_listed() {
    // Two commits whose ids begin alike are made by trying messages.
    let fixture = Fixture::new();
    let repository = git2::Repository::open(fixture.bare()).unwrap();
    let tree = repository.find_tree(git2::Oid::from_str(&fixture.id("HEAD^{tree}")).unwrap()).unwrap();
    let author = git2::Signature::new("A Test", "test@example.com", &git2::Time::new(0, 0)).unwrap();
    let mut by_prefix = std::collections::HashMap::new();
    let (one, two) = (0_u64..)
        .find_map(|n| {
            let commit =
                repository.commit_create_buffer(&author, &author, &n.to_string(), &tree, &[]).unwrap();
            let id = git2::Oid::hash_object(git2::ObjectType::Commit, &commit).unwrap();
            let before = by_prefix.insert(id.to_string()[..7].to_owned(), n)?;
            Some((before, n))
        })
        .unwrap();
    let commits =
        [one, two].map(|n| repository.commit(None, &author, &author, &n.to_string(), &tree, &[]).unwrap());
    for (name, id) in ["one", "two"].into_iter().zip(commits) {
        repository.reference(&format!("refs/heads/{name}"), id, true, "").unwrap();
    }
    let server = start(&fixture);
    for url in [server.url(), fixture.bare().display().to_string()] {
        let error = resolve(&url, &fixture.options(), &commits[0].to_string()[..7]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous, "{error}");
        assert!(commits.iter().all(|id| error.to_string().contains(&id.to_string())), "{error}");
    }
}
