//! The page `report.html`: one file that requests nothing, with a policy that forbids requests.

use base64::{STANDARD, encode_config};
use sha2::{Digest, Sha256};
use t2f_pictures::curves::{self, groups};
use t2f_pictures::picture;
use t2f_pictures::timelapse::even_choice;

use crate::comparison;
use crate::error::Result;
use crate::history;
use crate::neighbours::Pair;
use crate::number::{significant, whole};
use crate::reproduce;
use crate::run::Run;
use crate::summary;
use crate::table::{Table, escaped};

/// The maximum of events that are shown at once.
const SHORT: usize = 30;
const STYLE: &str = include_str!("../assets/report.css");
const SCRIPT: &str = include_str!("../assets/report.js");
/// The size of a panel of curves; its letters are legible on a phone.
const PANEL: (u32, u32) = (440, 320);
/// Weight of the neighbours in smoothed curves.
const SMOOTHING: f64 = 0.8;

/// What a page shows beside the runs.
#[derive(Debug)]
pub(crate) struct Extras {
    /// The title.
    pub(crate) title: String,
    /// The nearest training images of some faces of each run; none where they are left out.
    pub(crate) pairs: Vec<Option<Vec<Pair>>>,
    /// The maximum of sheets in a timeline.
    pub(crate) frames: usize,
}

/// The page.
///
/// # Errors
/// If a picture cannot be read or made, or configurations cannot be compared.
pub(crate) fn page(runs: &[Run], extras: &Extras) -> Result<String> {
    let title = escaped(&extras.title);
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'",
        digest(STYLE),
        digest(SCRIPT)
    );
    let sections = [
        ("curves", "Curves", curves_of(runs)?),
        ("metrics", "Metrics", metrics(runs)),
        ("samples", "Samples", timelines(runs, extras.frames)?),
        ("neighbours", "Nearest training images", neighbours(runs, extras)?),
        ("history", "History", histories(runs)),
        ("configuration", "Configuration", configuration(runs)?),
        ("origin", "Environment and origin", origin(runs)),
    ];
    let shown: Vec<_> = sections.iter().filter(|(.., html)| !html.is_empty()).collect();
    let links: String = shown.iter().map(|(id, name, _)| format!("<a href=\"#{id}\">{name}</a>\n")).collect();
    let body: String = shown
        .iter()
        .map(|(id, name, html)| format!("<section id=\"{id}\">\n<h2>{name}</h2>\n{html}</section>\n"))
        .collect();
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n{}\
         <nav aria-label=\"Sections\">{links}</nav>\n</header>\n<main>\n{body}</main>\n<script>{SCRIPT}</script>\n\
         </body>\n</html>\n",
        lead(runs)
    ))
}

/// The hash of an inline text for the policy.
fn digest(text: &str) -> String {
    encode_config(Sha256::digest(text.as_bytes()), STANDARD)
}

/// The heading of a run, where there are several.
fn heading(runs: &[Run], run: &Run) -> String {
    if runs.len() > 1 { format!("<h3>{}</h3>\n", escaped(&run.name)) } else { String::new() }
}

/// Summary and figures.
fn lead(runs: &[Run]) -> String {
    let mut html = String::new();
    for run in runs {
        html += &heading(runs, run);
        html += &format!("<p class=\"lead\">{}</p>\n", escaped(&summary::paragraph(run)));
    }
    if let [run] = runs {
        html += "<dl class=\"figures\">\n";
        for (name, value) in summary::figures(run) {
            html += &format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(&name), escaped(&value));
        }
        return html + "</dl>\n";
    }
    html + &comparison::figures(runs).to_html()
}

/// A panel for each group of statistics.
fn curves_of(runs: &[Run]) -> Result<String> {
    let rows: Vec<_> = runs.iter().map(|run| run.curves.clone()).collect();
    let mut html = String::new();
    for group in groups(&rows) {
        let svg = curves::svg(&rows, &group.options(SMOOTHING, PANEL))?;
        let label = format!("{}: {}", group.title, group.keys.join(", "));
        let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", escaped(&label)), 1);
        html += &format!("<figure>{svg}</figure>\n");
    }
    if html.is_empty() {
        return Ok("<p>The statistics have no row yet.</p>\n".into());
    }
    let about = "Pale lines are values, strong lines their centred average. Dashed lines are the beginnings of levels, \
                 shaded areas fade-ins, dotted lines resumes, rollbacks and changed settings. stats.csv has the numbers.";
    Ok(format!("<p class=\"soft\">{about}</p>\n<div class=\"panels\">\n{html}</div>\n"))
}

/// The metrics during the runs, and the measurements after them.
fn metrics(runs: &[Run]) -> String {
    let mut html = String::new();
    for run in runs {
        let during = summary::evaluations(run).map(|table| {
            format!(
                "<p>Evaluations during the run, on held-out captions; only figures of one level are comparable.</p>\n\
                 <div class=\"figure-of-numbers\">{}</div>\n",
                table.to_html()
            )
        });
        let mut measured = Table::new(&["metric", "part", "images", "kimg", "value", "95 % interval"], 2);
        for it in &run.measurements {
            let interval = match (it.low, it.high) {
                (Some(low), Some(high)) => format!("{} to {}", significant(low, 4), significant(high, 4)),
                _ => "–".into(),
            };
            let numbers = [whole(it.n), significant(it.kimg, 4), significant(it.value, 4), interval];
            measured.rows.push([it.metric.clone(), it.split.clone()].into_iter().chain(numbers).collect());
        }
        let measured = (!measured.rows.is_empty())
            .then(|| format!("<p>Measurements of <code>t2f metrics</code>.</p>\n{}", measured.to_html()));
        if during.is_some() || measured.is_some() {
            html += &heading(runs, run);
            html.extend(during.into_iter().chain(measured));
        }
    }
    if html.is_empty() {
        return "<p>No metrics were measured: <code>output.metrics_kimg</code> measures during a run, \
                <code>t2f metrics</code> afterwards.</p>\n"
            .into();
    }
    html
}

/// The sheets of samples with a slider.
fn timelines(runs: &[Run], frames: usize) -> Result<String> {
    let mut html = String::new();
    for run in runs {
        let chosen = even_choice(run.sheets.len(), frames);
        let Some(last) = chosen.len().checked_sub(1) else { continue };
        html += &heading(runs, run);
        html += "<figure class=\"timeline\">\n";
        for (place, sheet) in chosen.into_iter().map(|at| &run.sheets[at]).enumerate() {
            let kimg = format!("{} kimg", significant(sheet.images as f64 / 1000.0, 5));
            let page = picture::read(&sheet.path)?;
            let data = data_address(&picture::to_indexed_png(&page)?);
            let hidden = if place == last { "" } else { " hidden" };
            html += &format!(
                "<img src=\"{data}\" width=\"{}\" height=\"{}\" alt=\"Generated faces with their captions after {kimg}\" \
                 data-at=\"{kimg}\"{hidden}>\n",
                page.width, page.height
            );
        }
        html += &format!(
            "<label hidden>Images shown <input type=\"range\" min=\"0\" max=\"{last}\" value=\"{last}\"> \
             <output></output></label>\n<figcaption>The same captions and the same noise throughout the run.\
             </figcaption>\n</figure>\n"
        );
    }
    Ok(html)
}

fn data_address(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", encode_config(png, STANDARD))
}

/// Generated faces beside their nearest training images.
fn neighbours(runs: &[Run], extras: &Extras) -> Result<String> {
    let mut html = String::new();
    for (run, pairs) in runs.iter().zip(&extras.pairs) {
        let Some(pairs) = pairs else { continue };
        html += &heading(runs, run);
        html += "<div class=\"pairs\">\n";
        for pair in pairs {
            let image = |image, alt| -> Result<String> {
                let png = picture::to_png(image, None)?;
                Ok(format!("<img src=\"{}\" alt=\"{alt}\">", data_address(&png)))
            };
            html += &format!(
                "<figure><div class=\"faces\">{}{}</div><figcaption>{}<br>distance {}</figcaption></figure>\n",
                image(&pair.generated, "generated")?,
                image(&pair.train, "nearest training image")?,
                escaped(&pair.caption),
                significant(pair.distance, 3)
            );
        }
        html += "</div>\n";
    }
    if html.is_empty() {
        return Ok(html);
    }
    let about = "Left the generated face of a caption, right the training image that is nearest to it: root mean \
                 square of the difference of pixels, which lie between 0 and 1.";
    Ok(format!("<p class=\"soft\">{about}</p>\n{html}"))
}

/// Warnings and events.
fn histories(runs: &[Run]) -> String {
    let mut html = String::new();
    for run in runs {
        html += &heading(runs, run);
        let warnings = history::warnings(run);
        if warnings.is_empty() {
            html += "<p>No warnings.</p>\n";
        } else {
            let items: String = warnings.iter().map(|it| format!("<li>{}</li>\n", escaped(it))).collect();
            html += &format!("<ul class=\"warnings\">\n{items}</ul>\n");
        }
        let mut table = Table::new(&["time (UTC)", "event"], 2);
        let rows = history::events(run).into_iter().map(|entry| vec![entry.time.clone(), entry.text.clone()]);
        table.rows.extend(rows);
        if !table.rows.is_empty() {
            let count = table.rows.len();
            let open = if count <= SHORT { " open" } else { "" };
            html += &format!(
                "<details{open}><summary>{count} events of the log</summary>\n{}</details>\n",
                table.to_html()
            );
        }
    }
    html
}

/// The differences of configurations, and each configuration.
fn configuration(runs: &[Run]) -> Result<String> {
    let mut html = String::new();
    if runs.len() > 1 {
        let table = comparison::settings(runs)?;
        html += if table.rows.is_empty() {
            "<p>The settings are equal.</p>\n"
        } else {
            "<p>Settings that differ.</p>\n"
        };
        if !table.rows.is_empty() {
            html += &table.to_html();
        }
    }
    for run in runs {
        html += &heading(runs, run);
        if !run.overrides.is_empty() {
            let lines = run.overrides.iter().map(|line| format!("--set {line}\n")).collect::<String>();
            html += &format!("<p>Settings of the command line.</p>\n<pre>{}</pre>\n", escaped(&lines));
        }
        let toml = toml::to_string(&run.portable).unwrap_or_default();
        html +=
            &format!("<details><summary>All settings</summary>\n<pre>{}</pre>\n</details>\n", escaped(&toml));
    }
    Ok(html)
}

/// Versions, devices and hashes.
fn origin(runs: &[Run]) -> String {
    let mut html = String::new();
    for run in runs {
        html += &heading(runs, run);
        let mut rows = vec![
            ("program".to_owned(), format!("t2f {}", reproduce::version(run))),
            ("seed".into(), run.config.seed.to_string()),
            ("data".into(), reproduce::data(run)),
        ];
        let devices = history::devices(run);
        if !devices.is_empty() {
            rows.push(("device".into(), devices.join("; ")));
        }
        for record in &run.checkpoints {
            for (file, hash) in record.files.iter().filter(|(file, _)| *file == "g_ema.safetensors") {
                rows.push((
                    format!("checkpoint of step {}, {file}", whole(record.step)),
                    format!("blake3 {hash}"),
                ));
            }
        }
        let cells = rows.iter().map(|(name, value)| {
            format!(
                "<tr><th scope=\"row\">{}</th><td class=\"hash\">{}</td></tr>\n",
                escaped(name),
                escaped(value)
            )
        });
        html += &format!(
            "<div class=\"wide\"><table><tbody>\n{}</tbody></table></div>\n",
            cells.collect::<String>()
        );
    }
    html + "<p><a href=\"reproduce.sh\">reproduce.sh</a> trains again, <a href=\"report.ipynb\">report.ipynb</a> is this \
            report as a notebook, <a href=\"stats.csv\">stats.csv</a>, <a href=\"stats.parquet\">stats.parquet</a> and \
            <a href=\"metrics.csv\">metrics.csv</a> have the numbers, <a href=\"CITATION.txt\">CITATION.txt</a> the \
            papers to cite.</p>\n"
}
