//! The figures as a table, in Markdown, so that it can be put into a page as it is.

use crate::Costs;
use crate::contender::{Contender, Role};
use crate::measure::Cost;
use crate::suite::Suite;
use std::fmt::Write;
use std::time::Duration;

/// The tables of a suite, one for each name that its commands have.
pub(crate) fn tables(suite: &Suite, contenders: &[&Contender], costs: &[Costs<'_>]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in contenders
        .iter()
        .filter(|c| c.role != Role::Baseline)
        .flat_map(|c| c.measured())
    {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let baseline = contenders.iter().position(|c| c.role == Role::Baseline);
    let base = baseline
        .and_then(|b| costs[b].values().next())
        .map(|c| Figures::of(c));
    let mut text = String::new();
    for name in names {
        let rows: Vec<Row<'_>> = contenders
            .iter()
            .zip(costs)
            .filter_map(|(contender, costs)| {
                let costs = match contender.role {
                    Role::Baseline => costs.values().next()?,
                    _ => costs.get(name)?,
                };
                let own = Figures::of(costs);
                let figures = match &base {
                    Some(base) if suite.net && contender.role != Role::Baseline => own.net_of(base),
                    _ => own,
                };
                Some(Row {
                    contender,
                    count: costs.len(),
                    figures,
                })
            })
            .collect();
        let title = [suite.title.as_str(), name].join(" ");
        text.push_str(&table(title.trim(), &rows, suite.net));
        text.push('\n');
    }
    text
}

/// One contender's figures.
struct Row<'a> {
    contender: &'a Contender,
    count: usize,
    figures: Figures,
}

/// Each contender's minimum and median, and its median as a multiple of ours.
fn table(title: &str, rows: &[Row<'_>], net: bool) -> String {
    let ours = rows.iter().position(|r| r.contender.role == Role::Ours);
    let mut text = format!("### {title}\n\n");
    text.push_str(
        "| | n | wall min ms | wall median ms | CPU min ms | CPU median ms | peak KiB | wall to ours | CPU to ours |\n",
    );
    text.push_str("|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (
        i,
        Row {
            contender,
            count,
            figures: f,
        },
    ) in rows.iter().enumerate()
    {
        let to = |median: fn(&Figures) -> Duration| match ours {
            Some(ours) if ours != i => format!("{:.2}", ratio(median(f), median(&rows[ours].figures))),
            _ => String::new(),
        };
        _ = writeln!(
            text,
            "| {} | {count} | {} | {} | {} | {} | {} | {} | {} |",
            contender.name,
            ms(f.wall.0, net),
            ms(f.wall.1, net),
            ms(f.cpu.0, net),
            ms(f.cpu.1, net),
            f.peak,
            to(|f| f.wall.1),
            to(|f| f.cpu.1),
        );
    }
    text.push('\n');
    let Some(ours) = ours else {
        return text;
    };
    for row in rows.iter().filter(|r| r.contender.role == Role::Rival) {
        let (a, b) = (&rows[ours].figures, &row.figures);
        _ = writeln!(
            text,
            "{} / {}: wall median {:.2}, wall minimum {:.2}, CPU median {:.2}",
            rows[ours].contender.name,
            row.contender.name,
            ratio(a.wall.1, b.wall.1),
            ratio(a.wall.0, b.wall.0),
            ratio(a.cpu.1, b.cpu.1),
        );
    }
    text
}

/// Minimum and median.
struct Figures {
    wall: (Duration, Duration),
    cpu: (Duration, Duration),
    /// The most memory of any run, in KiB.
    peak: u64,
}

impl Figures {
    fn of(costs: &[Cost]) -> Figures {
        Figures {
            wall: ends(costs.iter().map(|c| c.wall)),
            cpu: ends(costs.iter().map(|c| c.cpu)),
            peak: costs.iter().map(|c| c.peak).max().unwrap_or(0),
        }
    }

    /// Without what an empty spawn costs: minimum from minimum, median from median.
    fn net_of(&self, base: &Figures) -> Figures {
        let less = |a: (Duration, Duration), b: (Duration, Duration)| {
            (a.0.saturating_sub(b.0), a.1.saturating_sub(b.1))
        };
        Figures {
            wall: less(self.wall, base.wall),
            cpu: less(self.cpu, base.cpu),
            peak: self.peak,
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

fn ms(of: Duration, fine: bool) -> String {
    let digits = if fine { 2 } else { 1 };
    format!("{:.digits$}", of.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(text: &str) -> Suite {
        Suite::parse(text).unwrap()
    }

    fn cost(wall: u64, cpu: u64) -> Cost {
        Cost {
            wall: Duration::from_millis(wall),
            cpu: Duration::from_millis(cpu),
            peak: wall,
        }
    }

    fn of(suite: &Suite, costs: &[Vec<Cost>]) -> String {
        let contenders: Vec<&Contender> = suite.contenders.iter().collect();
        let costs: Vec<Costs<'_>> = contenders
            .iter()
            .zip(costs)
            .map(|(c, costs)| c.measured().map(|(name, _)| (name, costs.clone())).collect())
            .collect();
        tables(suite, &contenders, &costs)
    }

    #[test]
    fn medians_minima_and_ratios() {
        let suite = suite("title t\nours a\ncommand a\nrival b\ncommand b\n");
        let ours = vec![cost(30, 3), cost(10, 1), cost(20, 2)];
        let rival = vec![cost(100, 8), cost(60, 12), cost(90, 4), cost(70, 16)];
        let text = of(&suite, &[ours, rival]);
        for part in [
            "### t\n",
            "| a | 3 | 10.0 | 20.0 | 1.0 | 2.0 | 30 |  |  |\n",
            "| b | 4 | 60.0 | 80.0 | 4.0 | 10.0 | 100 | 4.00 | 5.00 |\n",
            "a / b: wall median 0.25, wall minimum 0.17, CPU median 0.20\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn net_of_the_baseline_and_one_table_a_step() {
        let suite = suite("title t\nnet\nbaseline z\ncommand z\nours a\nstep up a\nstep down a\n");
        let text = of(&suite, &[vec![cost(2, 1)], vec![cost(10, 5)]]);
        for part in [
            "### t up\n",
            "### t down\n",
            "| z | 1 | 2.00 |",
            "| a | 1 | 8.00 | 8.00 | 4.00 | 4.00 | 10 |",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
