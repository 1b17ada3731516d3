//! Seconds an image in each phase of a run, measured or estimated, and the time that a schedule takes.

use std::collections::BTreeMap;

use t2f_files::json_lines::Row;

use crate::config::Config;
use crate::error::Result;
use crate::schedule::{Schedule, Stage};

/// The statistic with the seconds of training of a run.
pub(crate) const SECONDS: &str = "Timing/seconds";

/// A level, and whether it fades in: then both paths of the networks compute.
type Phase = (usize, bool);

/// The measured time of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Spent {
    seconds: f64,
    images: f64,
    /// Whether an earlier process measured it, perhaps on another machine.
    earlier: bool,
}

/// The time of training by phases.
///
/// A measured phase has its mean. The other phase of a measured level has that mean times the ratio of the
/// multiply-adds. For all others the seconds of an image are `a / B + b·W` with B images a step and W
/// multiply-adds an image; `a` and `b`, at least 0, have the least sum of squared relative errors over the
/// measured phases, and with a single measured phase `a` is 0.
#[derive(Clone, Debug)]
pub struct Pace {
    schedule: Schedule,
    /// Multiply-adds of an image in the convolutions, by level; stable and fading.
    work: Vec<[f64; 2]>,
    spent: BTreeMap<Phase, Spent>,
    seconds: f64,
}

impl Pace {
    /// No measurement yet. The multiply-adds are those of the built-in networks, also with networks from outside.
    ///
    /// # Errors
    /// If the sizes of the networks are not valid.
    pub fn new(config: &Config, schedule: &Schedule) -> Result<Self> {
        let widths: Vec<f64> = config.gan.checked_channels()?.into_iter().map(|width| width as f64).collect();
        let work = work(&widths, config.gan.latent_size as f64);
        Ok(Self { schedule: schedule.clone(), work, spent: BTreeMap::new(), seconds: 0.0 })
    }

    /// The measurements of earlier processes from the rows of `stats.jsonl`. A row that ends in another phase
    /// than the one before counts for the seconds alone, since it belongs to both.
    #[must_use]
    pub(crate) fn with_rows(mut self, rows: &[Row]) -> Self {
        let mut before = Some((0.0, 0.0, (0, false)));
        for row in rows {
            let value = |name: &str| row.values().get(name).copied();
            let (Some(kimg), Some(level)) = (value("Progress/kimg"), value("Progress/level")) else {
                continue;
            };
            let Some(seconds) = value(SECONDS) else {
                before = None;
                continue;
            };
            let phase = (level as usize, value("Progress/alpha").is_some_and(|alpha| alpha < 1.0));
            if let Some((from_kimg, from, _)) = before.filter(|(.., of)| *of == phase) {
                let spent = self.spent.entry(phase).or_default();
                spent.seconds += (seconds - from).max(0.0);
                spent.images += 1000.0 * (kimg - from_kimg);
                spent.earlier = true;
            }
            self.seconds = seconds;
            before = Some((kimg, seconds, phase));
        }
        self
    }

    /// The same measurements with another schedule of the same levels.
    #[must_use]
    pub fn with_schedule(mut self, schedule: &Schedule) -> Self {
        self.schedule = schedule.clone();
        self
    }

    /// Adds the time of a batch. The first of a phase replaces the measurement of an earlier process.
    pub fn add(&mut self, stage: &Stage, images: usize, seconds: f64) {
        let spent = self.spent.entry((stage.level, stage.alpha < 1.0)).or_default();
        if spent.earlier {
            *spent = Spent::default();
        }
        spent.seconds += seconds;
        spent.images += images as f64;
        self.seconds += seconds;
    }

    /// Seconds of training so far, those of earlier processes of the run included.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Seconds that the rest of the schedule takes after `images` images; none before a measurement.
    pub fn seconds_left(&self, images: u64) -> Option<f64> {
        let fit = self.fit()?;
        let mut left = 0.0;
        for (level, (start, faded, end)) in self.schedule.phases().into_iter().enumerate() {
            for (fading, start, end) in [(true, start, faded), (false, faded, end)] {
                let images = end.saturating_sub(start.max(images));
                if images > 0 {
                    left += images as f64 * self.seconds_an_image((level, fading), fit);
                }
            }
        }
        Some(left)
    }

    fn seconds_an_image(&self, phase: Phase, (a, b): (f64, f64)) -> f64 {
        let (level, fading) = phase;
        let mean = |phase| {
            self.spent
                .get(&phase)
                .filter(|spent| spent.images > 0.0)
                .map(|spent| spent.seconds / spent.images)
        };
        let of_other =
            mean((level, !fading)).map(|mean| mean * self.work_of(phase) / self.work_of((level, !fading)));
        mean(phase).or(of_other).unwrap_or_else(|| a / self.batch_size(level) + b * self.work_of(phase))
    }

    fn work_of(&self, (level, fading): Phase) -> f64 {
        self.work[level.min(self.work.len() - 1)][usize::from(fading)]
    }

    fn batch_size(&self, level: usize) -> f64 {
        let start = self.schedule.phases().get(level).map_or(0, |phase| phase.0);
        self.schedule.at(start).batch_size as f64
    }

    /// Seconds of a step and of a multiply-add, `(a, b)`; none without a measurement.
    fn fit(&self) -> Option<(f64, f64)> {
        let measured = self.spent.iter().filter(|(_, spent)| spent.images > 0.0 && spent.seconds > 0.0);
        // The relative error of a phase is a·u + b·v - 1.
        let rows: Vec<(f64, f64)> = measured
            .map(|(&phase, spent)| {
                let mean = spent.seconds / spent.images;
                (1.0 / (self.batch_size(phase.0) * mean), self.work_of(phase) / mean)
            })
            .collect();
        let sum = |of: &dyn Fn(f64, f64) -> f64| rows.iter().map(|&(u, v)| of(u, v)).sum::<f64>();
        let (u, v) = (sum(&|u, _| u), sum(&|_, v| v));
        let (uu, uv, vv) = (sum(&|u, _| u * u), sum(&|u, v| u * v), sum(&|_, v| v * v));
        let determinant = uu * vv - uv * uv;
        if rows.is_empty() {
            return None;
        }
        if determinant <= 1e-9 * uu * vv {
            return Some((0.0, v / vv));
        }
        let (a, b) = ((u * vv - v * uv) / determinant, (v * uu - u * uv) / determinant);
        Some(match () {
            () if a < 0.0 => (0.0, v / vv),
            () if b < 0.0 => (u / uu, 0.0),
            () => (a, b),
        })
    }
}

/// Multiply-adds of an image in the convolutions of the generator, by level; the discriminator has about as
/// many. Level 0 has `16·Z·C₀` for the latent of size Z and `16·9·C₀²`; level l adds `R²·9·(C₋·C + C²)` for
/// its two convolutions, with R the side, C its channels and C₋ those of the level below. The images are
/// `3·R²·C` multiply-adds of the level, and in a fade-in also those of the level below.
fn work(widths: &[f64], latent_size: f64) -> Vec<[f64; 2]> {
    let area = |level: usize| 16.0 * 4f64.powi(level as i32);
    let image = |level: usize| 3.0 * area(level) * widths[level];
    let mut convolutions = 0.0;
    (0..widths.len())
        .map(|level| {
            let width = widths[level];
            convolutions += match level {
                0 => area(0) * width * (latent_size + 9.0 * width),
                _ => area(level) * 9.0 * width * (widths[level - 1] + width),
            };
            let below = if level > 0 { image(level - 1) } else { 0.0 };
            let stable = convolutions + image(level);
            [stable, stable + below]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: usize = 10;

    /// 100 images at 4x4, 50 of a fade-in of 8x8, 150 more, and the same at 16x16.
    fn pace() -> Pace {
        let lines = [
            "gan.resolution=16",
            "gan.channels=[8,6,4]",
            "gan.latent_size=12",
            "gan.code_size=8",
            "schedule.batch_sizes=[10]",
            "schedule.fade_kimg=[0,0.05]",
            "schedule.stable_kimg=[0.1,0.15]",
        ];
        let config = Config::resolve(Some("quick"), None, &lines.map(String::from)).unwrap();
        let schedule = Schedule::new(&config.schedule, config.gan.max_level(), 100).unwrap();
        Pace::new(&config, &schedule).unwrap()
    }

    fn add(pace: &mut Pace, level: usize, alpha: f64, seconds: f64) {
        let stage = Stage { level, resolution: 4 << level, alpha, batch_size: BATCH, progress: 0.0 };
        pace.add(&stage, BATCH, seconds);
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-6 * expected, "{found}, expected {expected}");
    }

    #[test]
    fn multiply_adds_are_those_of_every_convolution() {
        let (level_0, level_1) = (16.0 * (12.0 * 8.0 + 9.0 * 64.0), 64.0 * 9.0 * (8.0 * 6.0 + 36.0));
        let (image_0, image_1) = (16.0 * 3.0 * 8.0, 64.0 * 3.0 * 6.0);
        let found = work(&[8.0, 6.0], 12.0);
        assert_eq!(found[0], [level_0 + image_0; 2]);
        assert_eq!(found[1], [level_0 + level_1 + image_1, level_0 + level_1 + image_1 + image_0]);
    }

    #[test]
    fn measured_phases_have_their_own_pace() {
        let mut pace = pace();
        assert_eq!(pace.seconds_left(0), None);
        for (level, alpha, seconds) in
            [(0, 1.0, 1.0), (1, 0.5, 3.0), (1, 1.0, 2.0), (2, 0.1, 9.0), (2, 1.0, 8.0)]
        {
            add(&mut pace, level, alpha, seconds);
        }
        let fading_2 = 5.0 * 9.0;
        near(pace.seconds_left(0).unwrap(), 10.0 + 5.0 * 3.0 + 15.0 * 2.0 + fading_2 + 15.0 * 8.0);
        near(pace.seconds_left(290).unwrap(), 2.0 + fading_2 + 15.0 * 8.0);
        assert_eq!(pace.seconds_left(500), Some(0.0));
        near(pace.seconds(), 23.0);
    }

    #[test]
    fn larger_levels_follow_the_cost_of_a_step_and_of_multiply_adds() {
        let mut pace = pace();
        let of = |pace: &Pace, phase| 0.5 + BATCH as f64 * 1e-6 * pace.work_of(phase);
        for level in 0..2 {
            let seconds = of(&pace, (level, false));
            add(&mut pace, level, 1.0, seconds);
        }
        let expected = 5.0 * of(&pace, (2, true)) + 15.0 * of(&pace, (2, false));
        near(pace.seconds_left(300).unwrap(), expected);
        // The present level's pace would give far less.
        assert!(expected > 1.2 * 20.0 * of(&pace, (1, false)));
        // The fade-in of a measured level costs more than its stable phase by both paths.
        near(
            pace.seconds_left(100).unwrap() - pace.seconds_left(150).unwrap(),
            5.0 * of(&pace, (1, false)) * pace.work_of((1, true)) / pace.work_of((1, false)),
        );
    }

    #[test]
    fn no_estimate_is_negative() {
        // A first level slower than all later ones leaves no cost of multiply-adds, and a first level
        // that is faster than its share leaves no cost of a step.
        for seconds in [[9.0, 1.0], [1e-9, 5.0]] {
            let mut pace = pace();
            (0..2).for_each(|level| add(&mut pace, level, 1.0, seconds[level]));
            let (a, b) = pace.fit().unwrap();
            assert!(a >= 0.0 && b >= 0.0 && a + b > 0.0, "{a} {b}");
            assert!(pace.seconds_left(300).unwrap() > 0.0);
        }
    }

    #[test]
    fn earlier_rows_count_until_the_phase_is_measured_again() {
        let rows = [(0.05, 0, 1.0, 5.0), (0.1, 0, 1.0, 10.0), (0.13, 1, 0.6, 30.0), (0.2, 1, 1.0, 40.0)];
        let rows = rows.map(|(kimg, level, alpha, seconds)| {
            let mut row = Row::new(1);
            row.set("Progress/kimg", kimg);
            row.set("Progress/level", f64::from(level));
            row.set("Progress/alpha", alpha);
            row.set(SECONDS, seconds);
            row
        });
        let mut resumed = pace().with_rows(&rows);
        near(resumed.seconds(), 40.0);
        assert_eq!(resumed.spent.keys().collect::<Vec<_>>(), [&(0, false)]);
        near(resumed.seconds_left(0).unwrap() - resumed.seconds_left(100).unwrap(), 10.0);
        add(&mut resumed, 0, 1.0, 3.0);
        near(resumed.seconds_left(0).unwrap() - resumed.seconds_left(100).unwrap(), 30.0);
        near(resumed.seconds(), 43.0);
        // Rows of a version without seconds are not taken for time that passed.
        let mut old = Row::new(1);
        ["Progress/kimg", "Progress/level"].into_iter().for_each(|name| old.set(name, 0.0));
        assert!(pace().with_rows(&[old, rows[1].clone()]).spent.is_empty());
    }
}
