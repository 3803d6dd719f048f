//! How long something that failed is not tried again.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_millis(100);
/// No pause is longer: what is back is found soon, and what is away is asked a few times in a second by all together.
const DOUBLINGS: u32 = 4;

/// The pause behind so many failures in a row: none behind none, then twice as long each time up to a bound, half of it by
/// chance, so that those who failed together do not come back together.
pub(crate) fn pause(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let whole = FIRST * (1 << doublings.min(DOUBLINGS));
    whole / 2 + whole.mul_f64(f64::from(chance()) / (2.0 * f64::from(u16::MAX)))
}

/// A number by chance; the same each time where the system gives none.
fn chance() -> u16 {
    let mut bytes = [0; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u16::from_le_bytes(bytes),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert_eq!(pause(0), Duration::ZERO);
        for failures in 1..100 {
            let whole = FIRST * (1 << (failures - 1).min(DOUBLINGS));
            let pause = pause(failures);
            assert!(pause >= whole / 2 && pause <= whole, "{failures}: {pause:?}");
        }
    }
}
