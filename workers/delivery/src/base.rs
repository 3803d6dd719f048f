//! Which process a front belongs to.

use openim_record::Process;

/// The id of the process of a front: that of its first one, whose number, the last two bytes, is zero.
#[must_use]
pub const fn base(front: Process) -> Process {
    let [id @ .., _, _] = front.0;
    let mut base = [0; 16];
    let mut at = 0;
    while at < id.len() {
        base[at] = id[at];
        at += 1;
    }
    Process(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_front_is_left_out() {
        let mut front = [7; 16];
        let process = base(Process(front));
        assert_eq!(process.0[..14], [7; 14]);
        assert_eq!(process.0[14..], [0, 0]);
        front[15] = 9;
        assert_eq!(base(Process(front)), process);
        assert_eq!(base(process), process);
    }
}
