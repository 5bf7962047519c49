//! Texts of recorders: they come in the code page that the login told (ABI.md §1).

use encoding_rs::{BIG5, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_8, WINDOWS_1252};

use super::bindings::text_bytes;

/// The code page of a recorder's texts.
#[derive(Debug, Clone, Copy)]
pub struct CodePage(&'static Encoding);

impl CodePage {
    /// From `byCharEncodeType` of the login. What is unknown is read as UTF-8 where it is valid, else as GBK, which is
    /// what recorders of that age used at home.
    pub fn from_login(number: u8) -> Self {
        Self(match number {
            1 | 2 => GBK, // GB2312 is a part of GBK
            3 => BIG5,
            4 => SHIFT_JIS,
            5 => EUC_KR,
            7 => WINDOWS_1252,
            // 8–21 are ISO 8859-2 to -15; there is no -12.
            n @ 8..=21 => Encoding::for_label(format!("iso-8859-{}", n - 6).as_bytes())
                .unwrap_or(WINDOWS_1252),
            _ => UTF_8,
        })
    }

    /// The text in a fixed array, without blanks around it.
    pub fn decode(self, array: &[u8]) -> String {
        let bytes = text_bytes(array);
        let encoding = if self.0 == UTF_8 && std::str::from_utf8(bytes).is_err() {
            GBK
        } else {
            self.0
        };
        encoding
            .decode_without_bom_handling(bytes)
            .0
            .trim()
            .to_owned()
    }

    /// The bytes of a text as the recorder wrote it; None when it has characters that its code page does not know.
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        let (bytes, _, lost) = self.0.encode(text);
        (!lost).then(|| bytes.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_their_code_page() {
        let mut array = [0u8; 32];
        array[..4].copy_from_slice(&[0xB4, 0xF3, 0xC3, 0xC5]); // "gate" in GBK
        for number in [0, 1, 2, 6] {
            assert_eq!(
                CodePage::from_login(number).decode(&array),
                "大门",
                "{number}"
            );
        }
        assert_eq!(
            CodePage::from_login(0).decode(" Hof – Tür \0".as_bytes()),
            "Hof – Tür"
        );
        assert_eq!(CodePage::from_login(7).decode(b"T\xFCr"), "Tür");
        assert_eq!(CodePage::from_login(8).decode(b"\xA3"), "Ł");
    }

    #[test]
    fn names_go_back_as_they_came() {
        let page = CodePage::from_login(2);
        assert_eq!(page.encode("大门"), Some(vec![0xB4, 0xF3, 0xC3, 0xC5]));
        assert_eq!(CodePage::from_login(7).encode("大门"), None);
    }
}
