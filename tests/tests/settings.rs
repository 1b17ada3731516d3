//! The messages about settings name the key, the value and the accepted form in plain words, and `~` and
//! relative paths mean what they mean in a shell.

use std::fs;
use std::path::Path;

use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::trainer::Trainer;

use crate::program::{Ran, command, run};

fn message(lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
    match Config::resolve(Some("quick"), None, &lines) {
        Ok(_) => panic!("{lines:?} are accepted"),
        Err(error) => error.to_string(),
    }
}

/// Words of Rust and of its libraries.
const RUST: [&str; 15] = [
    "f64",
    "f32",
    "usize",
    "u64",
    "u32",
    "u8",
    "i64",
    "enum",
    "untagged",
    "variant",
    "struct",
    "invalid type",
    "sequence",
    "boolean",
    "unknown field",
];

#[test]
fn slips_are_named_with_key_value_and_accepted_form() {
    let folder = "data.kind=folder";
    for (lines, wanted) in [
        // Numbers.
        (&[folder, "data.crop=80%"][..], "data.crop is `80%`, expected a number, such as 0.8"),
        (&[folder, "data.crop=0,8"], "data.crop is `0,8`, expected a number, such as 0.8"),
        (&[folder, "data.crop=\"0.8\""], "data.crop is `0.8`, expected a number, such as 0.8"),
        (&[folder, "data.crop=[0.8]"], "data.crop is [0.8], expected a number, such as 0.8"),
        (&[folder, "data.crop=true"], "data.crop is true, expected a number, such as 1.0"),
        (
            &["loss.r1_gamma=high"],
            "loss.r1_gamma (now loss.adversarial.r1.gamma) is `high`, expected a number",
        ),
        (&["output.tick_kimg=5kimg"], "output.tick_kimg is `5kimg`, expected a number, such as 5"),
        (&["seed=-1"], "seed is -1, expected a whole number, at least 0"),
        (&["seed=red"], "seed is `red`, expected a whole number, such as 0"),
        (&["seed=1.5"], "seed is 1.5, expected a whole number, such as 0"),
        (
            &["data.train_images=12,000"],
            "data.train_images is `12,000`, expected a whole number, such as 12000",
        ),
        (&["data.train_images=1e4"], "data.train_images is 10000.0, expected a whole number, such as 10000"),
        // Words, and truth.
        (
            &[folder, "data.fit=Crop"],
            "data.fit (now data.files.fit) is `Crop`, expected crop, pad or stretch; the nearest is crop",
        ),
        (
            &[folder, "data.files.fit=strech"],
            "data.files.fit is `strech`, expected crop, pad or stretch; the nearest is stretch",
        ),
        (&["text.pooling=average"], "text.pooling is `average`, expected max, mean or last"),
        (
            &["gan.head=Projection"],
            "gan.head is `Projection`, expected concat or projection; the nearest is projection",
        ),
        (&["gan.modulation=yes"], "gan.modulation is `yes`, expected true or false, such as true"),
        (&["data.kind=folders"], "data.kind is `folders`, expected procedural, "),
        (&["data.kind=folders"], "; the nearest is folder"),
        (
            &["loss.adversarial.kind=wasserstein"],
            "loss.adversarial.kind is wasserstein, expected one of wgan-gp",
        ),
        // Lists.
        (
            &["gan.channels=96,96"],
            "gan.channels is `96,96`, expected a whole number or a list of whole numbers, such as [96, 96]",
        ),
        (
            &["gan.channels=[96,96"],
            "gan.channels is `[96,96`, expected a whole number or a list of whole numbers, such as [96, 96]",
        ),
        (
            &["gan.channels=wide"],
            "gan.channels is `wide`, expected a whole number or a list of whole numbers",
        ),
        (
            &["schedule.batch_sizes=8"],
            "schedule.batch_sizes is 8, expected a list of whole numbers, such as [8]",
        ),
        (
            &["schedule.stable_kimg=0.5 1"],
            "schedule.stable_kimg is `0.5 1`, expected a list of numbers, such as [0.5, 1]",
        ),
        (
            &[folder, "data.files.background=255"],
            "data.files.background is 255, expected a list of 3 whole numbers",
        ),
        (&[folder, "data.files.background=[0,0,256]"], "expected a list of 3 whole numbers, 0 to 255"),
        // Sections and texts.
        (&["gan=5"], "gan is 5, expected a section with the keys generator, discriminator"),
        (
            &["augment.adaptive=0.6"],
            "augment.adaptive is 0.6, expected a section with the keys measure, target, ramp_kimg and interval",
        ),
        // Keys.
        (&["gan.latnt_size=3"], "gan.latnt_size is no setting; the nearest is gan.latent_size"),
        (&["optimizer.lr=1e-3"], "optimizer.lr is no setting; the nearest is optimizer.generator.lr"),
        (&["colour=1"], "colour is no setting; the nearest is augment.color"),
        (&["output.tick=1"], "output.tick is no setting; the nearest is output.tick_kimg"),
        (&["text.size=3"], "text.size is no setting; the settings there are kind, embedding_size"),
        (&["optimizer.generator=1e-3"], "expected a section with the keys lr, beta1, beta2 and epsilon"),
        (
            &["verbosity=1"],
            "verbosity is no setting; the sections and settings are name, seed, device, precision, data",
        ),
        (&["data.crop=0.8"], "data.crop is a setting of data.kind = lfw"),
        (
            &[folder, "data.train_images=9"],
            "data.train_images is a setting of data.kind = procedural, and data.kind is folder",
        ),
        (&["seed"], "--set seed: expected key.path=value"),
        (&["=1"], "the key is empty"),
    ] {
        let found = message(lines);
        assert!(found.contains(wanted), "{lines:?}: {found}");
        let own = found.split(": ").nth(1).unwrap_or_default();
        assert!(RUST.iter().all(|word| !own.split(' ').any(|of| of.trim_matches(',') == *word)), "{found}");
        assert!(found.starts_with("--set ") && found.contains(lines[lines.len() - 1]), "{found}");
    }
}

/// Every key of every kind refuses values of other forms in words without Rust's types.
#[test]
fn no_message_about_any_key_has_a_type_of_rust() {
    let page = include_str!("../../docs/configuration.md");
    let (mut kind, mut tried) = (String::new(), 0);
    for line in page.lines().take_while(|line| !line.starts_with("## Rows of")) {
        if let Some(heading) = line.strip_prefix("## ") {
            kind = heading.split('`').nth(1).filter(|code| code.contains('=')).unwrap_or("seed=0").into();
        }
        let Some(key) = line.strip_prefix("| `").and_then(|row| row.split('`').next()) else { continue };
        for value in
            ["no such word", "-0.5", "true", "[[]]", "{ no_such_key = 1 }", "1979-05-27", "99999999999"]
        {
            let lines = [kind.clone(), format!("{key}={value}")];
            let Err(error) = Config::resolve(None, None, &lines) else { continue };
            let message = error.to_string();
            let own = message.split_once(&format!("{key}={value}: ")).map_or("", |(_, own)| own);
            assert!(own.contains(key.rsplit('.').next().unwrap()), "{message}");
            for word in RUST {
                // Not the end of a longer word, as in `tf32`.
                let named = own.match_indices(word).any(|(at, _)| {
                    let after = own[at + word.len()..].chars().next();
                    !own[..at].ends_with(char::is_alphanumeric)
                        && after.is_none_or(|next| " ,".contains(next))
                });
                assert!(!named, "{word}: {message}");
            }
            tried += 1;
        }
    }
    assert!(tried > 400, "{tried} messages");
}

#[test]
fn a_text_may_look_like_a_number() {
    let lines = ["name=2024", "data.kind=folder", "data.path=007", "data.caption_column=1.50", "device=true"];
    let config = Config::resolve(Some("quick"), None, &lines.map(String::from)).unwrap();
    assert_eq!((config.name.as_str(), config.device.as_str()), ("2024", "true"));
    let toml = config.to_toml().unwrap();
    assert!(toml.contains("path = \"007\"") && toml.contains("caption_column = \"1.50\""), "{toml}");
}

#[test]
fn faults_of_a_file_have_its_name_and_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, wanted) in [
        (
            "seed = 1\n[data]\nkind = \"folder\"\ncrop = \"80%\"\n",
            "my.toml, line 4: data.crop is `80%`, expected a number",
        ),
        (
            "seed = 1\n\n[gan]\nresolutoin = 8\n",
            "my.toml, line 4: gan.resolutoin is no setting; the nearest is gan.resolution",
        ),
        ("name = 2024\n", "my.toml, line 1: name is 2024, expected a text in quotes, such as \"2024\""),
        (
            "[loss]\nr1_gamma = \"high\"\n",
            "my.toml, line 2: loss.r1_gamma (now loss.adversarial.r1.gamma) is `high`",
        ),
        (
            "seed = 1\ngan = { resolution = 8, latent_size = true }\n",
            "my.toml, line 2: gan.latent_size is true",
        ),
        ("seed = 1\nseed 2\n", "my.toml, line 2, column "),
        ("[output]\n\ntick_kimg = 0\n", "my.toml, line 3: output.tick_kimg is 0, expected above 0"),
        ("[loader]\nworkers = 0\n", "my.toml, line 2: loader.workers is 0, expected 1 to 1024"),
    ] {
        fs::write(folder.path().join("my.toml"), text).unwrap();
        let Ran { code, err, .. } = run(folder.path(), &["train", "-n", "--config", "my.toml"]);
        assert!(code == 1 && err.contains(wanted), "{text}: {err}");
        assert!(err.contains("hint: "), "{err}");
    }
    let near = run(folder.path(), &["train", "-n", "--preset", "quik"]);
    assert!(near.err.contains("the nearest is quick"), "{}", near.err);
}

#[test]
fn a_tilde_is_the_home_folder_in_every_path() {
    let home = tempfile::tempdir().unwrap();
    let here = tempfile::tempdir().unwrap();
    let at_home = |arguments: &[&str]| {
        let output = command(here.path(), arguments).env("HOME", home.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    };
    let good = |arguments: &[&str]| {
        let ran = at_home(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        ran
    };
    good(&["data", "export", "--out=~/faces", "--count", "6", "--resolution", "8"]);
    assert!(home.path().join("faces/train/metadata.jsonl").exists());
    let check = ["data", "check", "--resolution", "8"];
    for data in [
        &["--data", "folder:~/faces"][..],
        &["--data=folder:~/faces"],
        &["--set", "data.kind=folder", "--set", "data.path=~/faces"],
    ] {
        assert!(good(&[&check, data].concat()).out.contains("images"), "{data:?}");
    }
    let file = "[data]\nkind = \"folder\"\npath = \"~/faces\"\nfiles = { cache = \"~/pixels\" }\n";
    fs::write(home.path().join("my.toml"), file).unwrap();
    good(&[&check[..], &["--config=~/my.toml"]].concat());
    assert!(home.path().join("pixels").is_dir());
    assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0, "nothing is written into a folder named ~");

    for other in [&["--data", "folder:~no-such-user/faces"][..], &["--config=~no-such-user/my.toml"]] {
        let ran = at_home(&[&check, other].concat());
        assert!(ran.code != 0 && ran.err.contains("another user is not looked up"), "{}", ran.err);
    }
}

#[test]
fn paths_of_the_data_set_are_absolute_in_the_record() {
    let page = include_str!("../../docs/configuration.md");
    let here = std::env::current_dir().unwrap();
    let (mut kind, mut paths) = (String::new(), 0);
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            kind = heading.split('`').nth(1).unwrap_or("").into();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let &["", key, _, range, ..] = cells.as_slice() else { continue };
        let key = key.trim_matches('`');
        // A path in the folder of the data, such as `data.metadata`, stays relative.
        let is_path =
            range.split(", ").any(|form| ["a file", "a folder", "a file or folder"].contains(&form));
        if !key.starts_with("data.") || !is_path {
            continue;
        }
        let lines = [kind.clone(), format!("{key}=some/place")];
        let config = Config::resolve(None, None, &lines).unwrap().with_absolute_paths().unwrap();
        let whole = here.join("some/place");
        assert!(
            config.to_toml().unwrap().contains(whole.to_str().unwrap()),
            "{key} of {kind} stays relative"
        );
        paths += 1;
    }
    assert!(paths >= 5, "{paths} paths");
    let unset = Config::resolve(None, None, &["data.kind=folder".into()]).unwrap();
    assert_eq!(unset.clone().with_absolute_paths().unwrap(), unset, "a path that is not set stays so");
}

#[test]
fn learning_rates_that_only_fall_are_told_at_once_and_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let small: Vec<&str> = crate::tiny::SMALL.iter().flat_map(|line| ["--set", line]).collect();
    let told = |arguments: &[&str], anneal: &str| {
        let set = ["--set", anneal];
        let ran = run(folder.path(), &[arguments, &small, &set].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.err
    };
    let wanted =
        "schedule.anneal_kimg is 7, and the whole run has 0.16 kimg: the learning rates begin at 2 %";
    for arguments in [&["train", "-n"][..], &["train"]] {
        let err = told(arguments, "schedule.anneal_kimg=7");
        assert!(err.contains(wanted) && err.contains("schedule.anneal_kimg=0.048"), "{err}");
    }
    assert!(!told(&["train", "-n"], "schedule.anneal_kimg=0.04").contains("anneal"));
    let log = fs::read_to_string(folder.path().join("runs/00000-procedural-tiny/log.txt")).unwrap();
    assert!(log.contains(wanted), "{log}");
    assert!(told(&["train", "-n"], "schedule.anneal_kimg=0.16").contains("begin at 100 %"));
}

#[test]
fn remarks_on_the_data_are_among_the_notes_of_a_run() {
    let out = tempfile::tempdir().unwrap();
    let config = crate::tiny::config(&["schedule.anneal_kimg=1"]);
    let mut splits = config.data.open(8).unwrap();
    splits.report.notes.push("the column score is ignored".into());
    let components = Components::new().with_data("noted", splits);
    let trainer = Trainer::create(config, components, out.path()).unwrap();
    let notes = trainer.notes();
    assert_eq!(notes[0], "the column score is ignored");
    assert!(notes.len() == 2 && notes[1].contains("schedule.anneal_kimg is 1,"), "{notes:?}");
}

#[test]
fn a_plot_tells_which_run_lacks_a_key_and_names_the_statistic() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, row: &str| {
        fs::create_dir(folder.path().join(name)).unwrap();
        let rows: String = (0..9).map(|kimg| format!("{{\"Progress/kimg\":{kimg}.0,{row}}}\n")).collect();
        fs::write(folder.path().join(name).join("stats.jsonl"), rows).unwrap();
    };
    write("one", "\"Loss/D/drift\":0.1,\"Loss/D/total\":1.0");
    write("two", "\"Loss/D/total\":1.0");
    let ran = run(folder.path(), &["plot", "one", "two", "--keys", "Loss/D/drift", "--out", "drift.svg"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let wanted = "warning: two has no Loss/D/drift, and no curve of it is drawn; the run has Loss/D/total, Progress/kimg";
    assert!(ran.err.contains(wanted), "{}", ran.err);
    let svg = fs::read_to_string(folder.path().join("drift.svg")).unwrap();
    assert!(svg.contains("one: D drift"), "the legend names run and statistic");
    let both = run(folder.path(), &["plot", "one", "two", "--keys", "Loss/D/total", "--out", "both.svg"]);
    assert!(both.code == 0 && both.err.is_empty(), "{}", both.err);
    let one = run(folder.path(), &["plot", "two", "--keys", "Loss/D/total,Loss/D/drift", "--out", "two.svg"]);
    assert_eq!(one.err.matches("warning: ").count(), 1, "{}", one.err);
    assert!(Path::new(&folder.path().join("two.svg")).exists());
}
