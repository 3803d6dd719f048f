//! How long something that failed is not tried again.

use std::time::Duration;

use openim_record::{Pauses, spread};

/// No pause is longer: what is back is found soon, and what is away is asked a few times in a second by all together.
const PAUSES: Pauses = Pauses::new(Duration::from_millis(100), Duration::from_millis(1_600));

/// The pause behind so many failures in a row: none behind none.
pub(crate) fn pause(failures: u32) -> Duration {
    spread(PAUSES.behind(failures), chance())
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
            let (pause, whole) = (pause(failures), PAUSES.behind(failures));
            assert!(pause >= whole / 2 && pause <= whole, "{failures}: {pause:?}");
        }
    }
}
