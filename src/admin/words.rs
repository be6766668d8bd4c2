//! What the operator reads: figures as people write them, why the service is in its state, and what to do about it. Pure.

mod advice;
#[cfg(test)]
mod tests;
mod trouble;
mod why;

pub(super) use self::advice::advice;
pub(super) use self::why::why;

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// Returns a number with a comma after each thousand.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a span in its two largest units.
pub(crate) fn span(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        _ if seconds < 10.0 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3_600 % 24),
    }
}

/// Returns a rate.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 9.95 {
        format!("{per_second:.1}")
    } else {
        grouped(per_second.round() as u64)
    }
}

/// Returns a latency.
pub(crate) fn millis(millis: f64) -> String {
    match millis {
        _ if millis <= 0.0 => "–".to_owned(),
        _ if millis < 10.0 => format!("{millis:.1} ms"),
        _ if millis < 10_000.0 => format!("{} ms", grouped(millis.round() as u64)),
        _ => format!("{:.1} s", millis / 1_000.0),
    }
}

/// Returns how long ago something was: whole seconds, since nothing is sampled more often.
pub(crate) fn ago(seconds: f64) -> String {
    if seconds < 10.0 { format!("{} s ago", seconds as u64) } else { format!("{} ago", span(seconds)) }
}
