//! The vendor's error numbers: what each means to an installer, and what is to be done about it (ABI.md §7).

use crate::recorder::worker_protocol::{Failure, Kind};

/// Declares the closed list: number, name, kind, words. `{at}` in the words becomes the recorder's address and port.
macro_rules! codes {
    ($($number:literal $name:ident $kind:ident $words:literal,)*) => {
        /// A failure that the library gave a number to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "named as in the vendor's manual; the words below say what they mean")]
        pub enum Code {
            $($name,)*
            /// A number that is not in the list; some hundred of them belong to functions that are not used here.
            Unknown(u32),
        }

        impl Code {
            /// The failure of this number.
            pub fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }

            /// Its number.
            pub fn number(self) -> u32 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Unknown(number) => number,
                }
            }

            /// What to do about it.
            pub fn kind(self) -> Kind {
                match self {
                    $(Self::$name => Kind::$kind,)*
                    Self::Unknown(number) => unknown_kind(number),
                }
            }

            fn template(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                    Self::Unknown(_) => "the library gave a reason that is not in its manual",
                }
            }
        }
    };
}

codes! {
    0 NoReason Device "the library gave no reason",
    1 WrongPassword Refused "wrong user name or password",
    2 NoRight Refused "the account has no right to do this: give it the rights to read the settings and to play back, download and view all channels",
    3 NoInit Worker "the library is not initialised",
    4 NoSuchChannel Unsupported "the recorder has no such channel: import the channels anew",
    5 TooManyLinks Capacity "the recorder has no free connection: close other viewers, or lower the number of downloads at once",
    6 VersionMismatch Unsupported "the recorder and the vendor's library do not fit each other: install a newer library",
    7 CannotConnect Network "nothing answers at {at}: check address, port, cable and that the recorder is on",
    8 CannotSend Network "the connection to {at} broke while sending",
    9 CannotReceive Network "{at} closed the connection",
    10 ReceiveTimeout Network "{at} took too long to answer: it is overloaded, or the network loses packets",
    11 BadAnswer Unsupported "what answers at {at} does not speak the recorder's protocol, or does not know this request: check the port (8000 unless it was changed)",
    12 BadOrder Worker "the library was called out of order",
    13 NotPermitted Refused "the account may not do this",
    14 CommandTimeout Network "{at} did not finish in time",
    17 BadParameter Unsupported "the library does not accept the request",
    18 ChannelTrouble Device "the channel is in an error state on the recorder",
    19 NoDisk Device "the recorder has no disk",
    20 BadDiskNumber Device "the recorder does not find its disk",
    21 DeviceDiskFull Device "the recorder's disk is full",
    22 DeviceDiskError Device "the recorder's disk has an error",
    23 NotSupported Unsupported "the recorder does not support this",
    24 Busy Capacity "the recorder is busy",
    27 DiskFormatting Device "the recorder is formatting its disk",
    28 NoResource Capacity "the recorder has no resources left: lower the number of downloads at once",
    29 OperationFailed Device "the recorder says that it failed, without a reason",
    32 BadTime Unsupported "the recorder does not accept the time range",
    33 NoSuchFile SourceGone "the recorder does not hold this recording any more",
    34 CannotCreateFile Local "the file cannot be created: check folder and rights on this box",
    35 CannotOpenFile Local "a file on this box cannot be opened",
    36 NotFinished Capacity "an earlier operation still runs on the recorder",
    38 PlayFailed Device "the recorder could not play the recording",
    40 BadFolder Local "a folder on this box cannot be used",
    41 NoMemory Local "the library could not get memory or load its encryption library: check that the whole bundle was copied",
    43 BufferTooSmall Unsupported "the recorder's answer has an unexpected size",
    44 NoSocket Local "the library could not open a socket on this box",
    45 SocketSetting Local "the library could not set up a socket on this box",
    46 TooManyInLibrary Capacity "the library has reached its own limit",
    47 SessionUnknown Worker "the recorder does not know the session any more",
    52 TooManyUsers Capacity "too many users are logged in at the recorder: close other clients, or wait five minutes for dead ones to be forgotten",
    54 NotEncoding Device "the channel sends no pictures",
    55 AddressBound Refused "the account may only log in from another IP address",
    56 MacBound Refused "the account may only log in from another network card",
    72 NoSocketResource Local "the library could not use a socket on this box",
    73 SocketClosed Network "the connection to {at} was lost",
    74 UserInUse Worker "the session is still in use",
    75 CannotListen Local "the library could not listen on this box",
    76 LibraryTrouble Worker "the library failed inside",
    77 CannotWriteFile Local "the file cannot be written: the disk of this box is full or failing",
    83 CameraOffline Device "the camera behind this channel is not connected to the recorder",
    84 NoRtspPart LibraryMissing "the vendor's bundle is incomplete: HCNetSDKCom/libStreamTransClient.so is missing",
    85 NoConvertPart LibraryMissing "the vendor's bundle is incomplete: HCNetSDKCom/libSystemTransform.so is missing",
    91 ChannelUnsupported Unsupported "the channel does not support this",
    96 DdnsOffline Network "the recorder is not known at its dynamic name",
    97 DdnsFailed Network "looking up the recorder's dynamic name failed",
    102 LoginPending Worker "the login has not finished",
    104 NoPorts Local "the library found no free port on this box",
    107 NoPreviewPart LibraryMissing "the vendor's bundle is incomplete: HCNetSDKCom/libHCPreview.so is missing",
    110 NoPlaybackPart LibraryMissing "the vendor's bundle is incomplete: HCNetSDKCom/libHCPlayBack.so is missing",
    113 NoConfigPart LibraryMissing "the vendor's bundle is incomplete: HCNetSDKCom/libHCGeneralCfgMgr.so is missing",
    114 NoCoreConfigPart LibraryMissing "the vendor's bundle is incomplete: HCNetSDKCom/libHCCoreDevCfg.so is missing",
    147 BadCertificate Network "the recorder's certificate was not accepted",
    148 NoSslPart LibraryMissing "the vendor's bundle is incomplete: libssl.so cannot be loaded",
    149 BadSslPart LibraryMissing "the vendor's bundle is incomplete: libssl.so does not fit",
    152 NoSuchUser Refused "wrong user name or password",
    153 Locked Locked "the recorder has locked the account after too many wrong passwords",
    154 BadUserId Worker "the recorder does not know the session any more",
    155 LibraryTooOld Unsupported "the recorder demands a newer version of the vendor's library",
    156 NoIconvPart LibraryMissing "the vendor's bundle is incomplete: libiconv2.so cannot be loaded",
    157 NoCryptoPart LibraryMissing "the vendor's bundle is incomplete: libcrypto.so cannot be loaded",
    158 BadCryptoPart LibraryMissing "the vendor's bundle is incomplete: libcrypto.so does not fit",
    159 TlsFailed Network "the encrypted connection to {at} could not be made",
    161 NoZlibPart LibraryMissing "the vendor's bundle is incomplete: libz.so cannot be loaded",
    162 BadZlibPart LibraryMissing "the vendor's bundle is incomplete: libz.so does not fit",
    182 TooManyUdpLinks Capacity "the recorder has no free connection of this kind",
    188 BadLink Network "the connection to {at} is not usable",
    189 NoIsapi Unsupported "the recorder does not support this",
    250 NotActivated Refused "the recorder has not been activated: set its first password on its own screen or with the vendor's tool",
    251 RiskyPassword Refused "the recorder refuses its own password as too weak: set a stronger one",
    401 RtspNoRight Refused "the account has no right to this stream",
    404 RtspNotFound Unsupported "the recorder has no such stream",
    426 RtspTooMany Capacity "the recorder has no free stream",
    790 IllegalData Device "the recorder sent data that make no sense",
    791 InUse Capacity "another function of the recorder uses what is needed",
    800 BandwidthExceeded Capacity "the recorder's outgoing bandwidth is used up: close other viewers, or lower the number of downloads at once",
    803 RemoteUnreachable Network "the recorder does not reach the camera or its storage",
    813 PerformanceLimit Capacity "the recorder is at the limit of what it can do",
    2189 BadVerification Refused "wrong verification code",
}

/// Families of numbers whose members need no words of their own.
fn unknown_kind(number: u32) -> Kind {
    match number {
        107..=115 | 121..=128 | 136..=142 => Kind::LibraryMissing, // parts missing, or of two bundles
        402 => Kind::Local,
        403 => Kind::Unsupported,
        405..=446 => Kind::Network, // the RTSP family
        _ => Kind::Device,
    }
}

impl Code {
    /// What it means, for an installer, without the number.
    pub fn words(self, at: &str) -> String {
        match self {
            Self::Unknown(107..=115) => {
                "the vendor's bundle is incomplete: a library of its folder HCNetSDKCom is missing"
                    .to_owned()
            }
            Self::Unknown(121..=128 | 136..=142) => {
                "the files of the vendor's bundle do not fit each other: copy one bundle whole"
                    .to_owned()
            }
            Self::Unknown(405..=446) => format!("the stream from {at} could not be set up"),
            other => other.template().replace("{at}", at),
        }
    }

    /// Whether the library or the recorder does not know this form of a request, so that an older form is worth a try.
    pub fn asks_for_an_older_form(self) -> bool {
        matches!(
            self,
            Self::NotSupported | Self::BadParameter | Self::BadAnswer
        )
    }

    /// A failure in words: what was being done at which recorder, why it failed, and the number for a search.
    pub fn failure(self, at: &str, doing: &str) -> Failure {
        Failure {
            kind: self.kind(),
            message: format!(
                "{at}: cannot {doing}: {} (error {})",
                self.words(at),
                self.number()
            ),
            code: Some(self.number()),
        }
    }

    /// A failed login in words. `lock` is what the recorder says of the account: tries left, seconds of the lock.
    pub fn login_failure(self, at: &str, lock: Option<(u8, u32)>) -> Failure {
        let number = self.number();
        let message = match self {
            Self::WrongPassword | Self::NoSuchUser => {
                let left = match lock {
                    Some((0, _)) | None => String::new(),
                    Some((1, _)) => "; 1 try left before the recorder locks the account".to_owned(),
                    Some((tries, _)) => {
                        format!("; {tries} tries left before the recorder locks the account")
                    }
                };
                format!(
                    "wrong user name or password for {at}{left}; not tried again until you change the password"
                )
            }
            Self::Locked => {
                let wait = match lock {
                    Some((_, seconds @ 1..)) => format!("wait {}", duration_words(seconds)),
                    _ => "wait half an hour".to_owned(),
                };
                format!(
                    "{at} has locked the account after too many wrong passwords; {wait}, correct the password, \
                     then test the connection; not tried again until then"
                )
            }
            Self::CannotConnect => self.words(at),
            other => return other.failure(at, "log in"),
        };
        Failure {
            kind: self.kind(),
            message,
            code: Some(number),
        }
    }
}

fn duration_words(seconds: u32) -> String {
    match seconds {
        0..=89 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "192.168.1.5:8000";

    #[test]
    fn numbers_come_back() {
        for number in 0..3000 {
            assert_eq!(Code::from_number(number).number(), number);
        }
    }

    #[test]
    fn classes_follow_the_table() {
        for (number, kind) in [
            (1, Kind::Refused),
            (153, Kind::Locked),
            (52, Kind::Capacity),
            (800, Kind::Capacity),
            (7, Kind::Network),
            (83, Kind::Device),
            (33, Kind::SourceGone),
            (23, Kind::Unsupported),
            (77, Kind::Local),
            (110, Kind::LibraryMissing),
            (108, Kind::LibraryMissing),
            (47, Kind::Worker),
            (432, Kind::Network),
            (9999, Kind::Device),
        ] {
            assert_eq!(Code::from_number(number).kind(), kind, "{number}");
        }
    }

    #[test]
    fn a_login_fails_in_words() {
        let message = |code: u32, lock| Code::from_number(code).login_failure(AT, lock).message;
        assert_eq!(
            message(1, Some((4, 0))),
            "wrong user name or password for 192.168.1.5:8000; 4 tries left before the recorder locks the account; \
             not tried again until you change the password"
        );
        assert_eq!(
            message(152, None),
            "wrong user name or password for 192.168.1.5:8000; not tried again until you change the password"
        );
        assert_eq!(
            message(153, Some((0, 1765))),
            "192.168.1.5:8000 has locked the account after too many wrong passwords; wait 30 minutes, correct the \
             password, then test the connection; not tried again until then"
        );
        assert_eq!(
            message(7, None),
            "nothing answers at 192.168.1.5:8000: check address, port, cable and that the recorder is on"
        );
        assert_eq!(
            message(52, None),
            "192.168.1.5:8000: cannot log in: too many users are logged in at the recorder: close other clients, or \
             wait five minutes for dead ones to be forgotten (error 52)"
        );
    }
}
