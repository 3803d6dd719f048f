//! A process' id as text: 32 digits of hexadecimal.

use openim_record::Process;

pub(crate) fn hex(process: Process) -> String {
    process.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &[u8]) -> Option<Process> {
    let digits = text.len() == 32 && text.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    let mut process = [0; 16];
    for (at, byte) in process.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(Process(process))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written() {
        let process = Process([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(unhex(hex(process).as_bytes()), Some(process));
        for wrong in ["", "00", "+0112233445566778899aabbccddeeff", "é"] {
            assert_eq!(unhex(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
