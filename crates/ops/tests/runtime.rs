//! The process-wide settings. Each test runs in a process of its own.

use std::process::Command;

use t2f_ops::Runtime;

/// Runs one test of this file in a new process, with these variables and without the others.
fn in_new_process(test: &str, environment: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(IN_CHILD, "1");
    for variable in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS", "MALLOC_ARENA_MAX"] {
        command.env_remove(variable);
    }
    let output = command.envs(environment.iter().copied()).output().expect("a new process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

const IN_CHILD: &str = "T2F_OPS_TEST_CHILD";

/// Whether this process was started by [`in_new_process`].
fn is_child() -> bool {
    std::env::var_os(IN_CHILD).is_some()
}

#[test]
fn settings_are_reported_and_in_force() {
    if !is_child() {
        return in_new_process("settings_are_reported_and_in_force", &[]);
    }
    assert!(Runtime::installed().is_none() && rayon::current_thread_index().is_none());
    let runtime = Runtime::install();
    let names: Vec<_> = runtime.environment().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"]);
    for (name, value) in runtime.environment() {
        assert_eq!(std::env::var(name).as_ref(), Ok(value));
    }
    assert_eq!(std::env::var("CANDLE_NUM_THREADS").as_deref(), Ok("1"));
    assert_eq!(runtime.allocator().is_empty(), !cfg!(all(target_os = "linux", target_env = "gnu")));
    assert!(runtime.has_pool());
    assert_eq!((rayon::current_thread_index(), rayon::current_num_threads()), (Some(0), runtime.threads()));
    assert!(runtime.to_string().contains("CANDLE_NUM_THREADS=1"), "{runtime}");
}

#[test]
fn the_environment_has_precedence() {
    let environment = [("CANDLE_NUM_THREADS", "3"), ("RAYON_NUM_THREADS", "5"), ("MALLOC_ARENA_MAX", "4")];
    if !is_child() {
        return in_new_process("the_environment_has_precedence", &environment);
    }
    let runtime = Runtime::install();
    assert!(runtime.environment().is_empty(), "{runtime}");
    assert!(runtime.allocator().iter().all(|(name, _)| *name != "M_ARENA_MAX"), "{runtime}");
    for (name, value) in environment {
        assert_eq!(std::env::var(name).as_deref(), Ok(value));
    }
    assert_eq!(runtime.threads(), 5);
}

#[test]
fn a_given_number_of_threads_has_precedence_over_the_environment() {
    if !is_child() {
        let environment = [("RAYON_NUM_THREADS", "5")];
        return in_new_process("a_given_number_of_threads_has_precedence_over_the_environment", &environment);
    }
    let runtime = Runtime::install_on(Some(3));
    assert_eq!((runtime.threads(), rayon::current_num_threads()), (3, 3));
    assert_eq!(std::env::var("RAYON_NUM_THREADS").as_deref(), Ok("3"));
    assert_eq!(runtime.environment()[0], ("RAYON_NUM_THREADS", "3".to_owned()));
}

#[cfg(target_os = "linux")]
#[test]
fn peak_memory_counts_memory_in_use() {
    let size = 64 << 20;
    let used = vec![1u8; size];
    let peak = t2f_ops::peak_memory().expect("Linux reports it");
    assert!(peak >= size as u64 && used[size - 1] == 1, "{peak}");
}

#[test]
fn further_calls_change_nothing() {
    if !is_child() {
        return in_new_process("further_calls_change_nothing", &[]);
    }
    let first = Runtime::install();
    let other = std::thread::spawn(|| {
        let again = Runtime::install();
        assert!(rayon::current_thread_index().is_none(), "the second caller joins no pool");
        again
    });
    let others =
        [Runtime::install(), other.join().expect("the thread"), Runtime::installed().expect("it is")];
    assert!(others.iter().all(|other| std::ptr::eq(first, *other)));
}

/// A thread that works in a pool stays in it.
#[test]
fn a_worker_keeps_its_pool() {
    if !is_child() {
        return in_new_process("a_worker_keeps_its_pool", &[]);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a pool");
    let runtime = pool.install(Runtime::install);
    assert!(!runtime.has_pool());
    assert_eq!(pool.install(rayon::current_num_threads), 3);
}
