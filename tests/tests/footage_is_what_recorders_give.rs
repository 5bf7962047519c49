//! Footage for the stories: FFmpeg must read it as it reads a recorder's files, and find in it what went in.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;
use std::process::Command;

use hcnetsdk::reel::Reel;
use jiff::Timestamp;
use tests::footage::{AudioCodec, ReelSpec, Shown, VideoCodec, from_folder, reel};

/// Reels are kept between runs; their names carry the hash of what they were made from.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/footage");

fn start() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn spec(name: &str, video: VideoCodec) -> ReelSpec {
    ReelSpec {
        video,
        seconds: 4,
        width: 320,
        height: 180,
        gop_frames: 25,
        ..ReelSpec::new(name, Shown::Utc(start()))
    }
}

/// Runs a tool that must neither fail nor complain; gives its output.
fn quiet(tool: &str, arguments: &[&str]) -> String {
    let output = Command::new(tool).args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{tool} {arguments:?}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn streams(file: &str) -> Vec<String> {
    let told = quiet(
        "ffprobe",
        &[
            "-v",
            "error",
            "-f",
            "mpeg",
            "-show_entries",
            "stream=codec_name",
            "-of",
            "csv=p=0",
            file,
        ],
    );
    told.lines().map(str::to_string).collect()
}

/// One hash for each packet of the video, copied bit for bit.
fn packets(format: &str, file: &str) -> Vec<String> {
    let told = quiet(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-f",
            format,
            "-i",
            file,
            "-map",
            "0:v",
            "-c",
            "copy",
            "-f",
            "framehash",
            "-",
        ],
    );
    let lines = told.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit(',').next().unwrap().trim().to_string())
        .collect()
}

/// Muxes a reel as a recorder would, and checks what FFmpeg makes of it.
fn check(reel: &Path, seconds: Option<u64>, format: &str, expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.ps");
    let mut bytes = Vec::new();
    hcnetsdk::recorded(reel, start(), seconds, &mut bytes).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    let mut again = Vec::new();
    hcnetsdk::recorded(reel, start(), seconds, &mut again).unwrap();
    assert!(bytes == again, "the same input gives the same bytes");
    let file = file.to_str().unwrap();
    assert_eq!(streams(file), expected);
    quiet(
        "ffmpeg",
        &[
            "-v", "error", "-xerror", "-f", "mpeg", "-i", file, "-f", "null", "-",
        ],
    );
    // FFmpeg's parsers cut a stream by looking ahead, so what is compared with is looped and cut in the same way
    let opened = Reel::open(reel).unwrap();
    let pictures = seconds.map_or(opened.units.len(), |seconds| seconds as usize * 25);
    let (mut looped, mut unit) = (Vec::new(), Vec::new());
    for place in opened.units.iter().cycle().take(pictures) {
        opened.read_video(place, &mut unit).unwrap();
        looped.extend_from_slice(&unit);
    }
    let source = folder.path().join("looped.es");
    std::fs::write(&source, looped).unwrap();
    let (source, found) = (
        packets(format, source.to_str().unwrap()),
        packets("mpeg", file),
    );
    assert_eq!(found.len(), pictures);
    assert!(
        found == source,
        "the packets of {} are not those of its reel",
        reel.display()
    );
}

#[test]
fn h264_with_b_frames_and_a_law() {
    let spec = ReelSpec {
        b_frames: true,
        audio: Some(AudioCodec::G711a),
        ..spec("test", VideoCodec::H264)
    };
    let reel = reel(CACHE.as_ref(), &spec).unwrap();
    let opened = Reel::open(&reel).unwrap();
    assert!(
        opened.units.iter().any(|unit| unit.pts > unit.dts + 3_600),
        "B-frames survive"
    );
    assert_eq!(
        (
            opened.units.len(),
            opened.description.duration_ticks,
            opened.audio_bytes
        ),
        (100, 360_000, 32_000)
    );
    check(&reel, None, "h264", &["h264", "pcm_alaw"]);
    check(&reel, Some(10), "h264", &["h264", "pcm_alaw"]);
}

#[test]
fn h264_with_mu_law() {
    let spec = ReelSpec {
        audio: Some(AudioCodec::G711u),
        ..spec("test", VideoCodec::H264)
    };
    check(
        &reel(CACHE.as_ref(), &spec).unwrap(),
        None,
        "h264",
        &["h264", "pcm_mulaw"],
    );
}

#[test]
fn h265_without_sound() {
    let reel = reel(CACHE.as_ref(), &spec("test", VideoCodec::H265)).unwrap();
    check(&reel, None, "hevc", &["hevc"]);
    check(&reel, Some(7), "hevc", &["hevc"]);
}

#[test]
fn h265_with_b_frames() {
    let spec = ReelSpec {
        b_frames: true,
        ..spec("test", VideoCodec::H265)
    };
    check(
        &reel(CACHE.as_ref(), &spec).unwrap(),
        Some(6),
        "hevc",
        &["hevc"],
    );
}

/// The clock in the picture at `second`, as black and white.
fn clock(reel: &Path, second: &str) -> Vec<u8> {
    let file = reel.join("video.es");
    let area = "crop=400:32:80:8,format=gray,lut=y='if(gt(val,160),255,0)'";
    let arguments = [
        "-v",
        "error",
        "-f",
        "h264",
        "-r",
        "25",
        "-i",
        file.to_str().unwrap(),
        "-ss",
        second,
    ];
    let more = ["-frames:v", "1", "-vf", area, "-f", "rawvideo", "-"];
    let output = Command::new("ffmpeg")
        .args(arguments)
        .args(more)
        .output()
        .unwrap();
    assert_eq!(output.stdout.len(), 400 * 32);
    output.stdout
}

#[test]
fn the_picture_shows_when_it_was_taken() {
    // three seconds before the full hour, so that many digits change
    let [one, two] = [3, 0].map(|before| {
        let shown = Shown::Utc(start() - jiff::SignedDuration::from_secs(before));
        let spec = ReelSpec {
            width: 640,
            height: 360,
            shown,
            ..spec("test", VideoCodec::H264)
        };
        reel(CACHE.as_ref(), &spec).unwrap()
    });
    let different = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    let (early, same, moment) = (clock(&one, "0"), clock(&one, "3"), clock(&two, "0"));
    let (alike, unlike) = (different(&same, &moment), different(&early, &moment));
    assert!(alike * 2 < unlike, "{alike} of {unlike} points differ");
}

#[test]
fn files_of_all_kinds_become_reels() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, arguments: &[&str]| {
        let file = folder.path().join(name);
        let picture = "testsrc2=s=322x182:r=25:d=3";
        let mut all = vec![
            "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=d=2",
        ];
        all.extend(arguments);
        all.push(file.to_str().unwrap());
        quiet("ffmpeg", &all);
    };
    let x264 = ["-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast"];
    make(
        "b-frames.mp4",
        &[&x264[..4], &["-bf", "3", "-g", "30"]].concat(),
    );
    make(
        "with sound.mp4",
        &[&x264[..], &["-map", "1:a", "-c:a", "aac"]].concat(),
    );
    make(
        "odd.avi",
        &["-map", "0:v", "-c:v", "mjpeg", "-vf", "crop=321:181"],
    );
    make(
        "stream.ts",
        &[&x264[..], &["-bf", "2", "-g", "25"]].concat(),
    );
    make(
        "uneven.mkv",
        &[
            &x264[..],
            &["-vf", "select='not(mod(n,3))+gt(n,40)'", "-vsync", "vfr"],
        ]
        .concat(),
    );
    make(
        "apple.mov",
        &[
            "-map",
            "0:v",
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            "log-level=error",
            "-tag:v",
            "hvc1",
        ],
    );
    make("sound only.mp3", &["-map", "1:a"]);
    std::fs::write(folder.path().join("notes.txt"), "no video").unwrap();
    std::fs::write(folder.path().join("cut.mp4"), [0, 0, 0, 24]).unwrap();

    let cache = tempfile::tempdir().unwrap();
    let footage = from_folder(cache.path(), folder.path()).unwrap();
    let names: Vec<&str> = footage
        .clips
        .iter()
        .map(|clip| clip.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["apple", "b-frames", "odd", "stream", "uneven", "with sound"]
    );
    let skipped: Vec<&str> = footage
        .skipped
        .iter()
        .map(|skipped| skipped.file.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(skipped, ["cut.mp4", "notes.txt", "sound only.mp3"]);
    for clip in &footage.clips {
        let (format, codec) = if clip.name == "apple" {
            ("hevc", "hevc")
        } else {
            ("h264", "h264")
        };
        let expected = if clip.name == "with sound" {
            vec![codec, "pcm_alaw"]
        } else {
            vec![codec]
        };
        assert!((2..=3).contains(&clip.seconds), "{clip:?}");
        check(&clip.reel, None, format, &expected);
    }
    // nothing is made twice
    let made = footage.clips[0]
        .reel
        .join("reel.toml")
        .metadata()
        .unwrap()
        .modified()
        .unwrap();
    let again = from_folder(cache.path(), folder.path()).unwrap();
    assert_eq!(again, footage);
    assert_eq!(
        again.clips[0]
            .reel
            .join("reel.toml")
            .metadata()
            .unwrap()
            .modified()
            .unwrap(),
        made
    );
}

#[test]
fn a_folder_without_video_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no video").unwrap();
    let problem = from_folder(folder.path(), folder.path())
        .unwrap_err()
        .to_string();
    assert!(
        problem.contains("no usable video") && problem.contains("1 files were skipped"),
        "{problem}"
    );
    assert!(from_folder(folder.path(), &folder.path().join("missing")).is_err());
}
