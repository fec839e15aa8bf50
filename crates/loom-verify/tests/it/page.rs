//! The page as a person sees it: in a browser without a window, as a picture.
//!
//! The browser is `$LOOM_CHROMIUM`, or the first of its usual names in `$PATH`. Without one there is nothing to look at:
//! then these tests say so and pass, but for where everything must run (`$CI` is set).

use std::{
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use loom_verify::{Class, Report, page, verify};

use crate::{
    golden::{auditor, golden},
    world::{World, file, sandbox, verified},
};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What `report.css` makes of the ground, the paper and the verdicts.
const GROUND: Colour = [0xf3, 0xf5, 0xf8];
const PAPER: Colour = [0xff, 0xff, 0xff];
const INK: Colour = [0x1b, 0x24, 0x30];
const GOOD: [Colour; 2] = [[0xe3, 0xf5, 0xe8], [0x1a, 0x7f, 0x37]];
const WARN: [Colour; 2] = [[0xfd, 0xf3, 0xd8], [0xb7, 0x79, 0x1f]];
const BAD: [Colour; 2] = [[0xfd, 0xe4, 0xe1], [0xc0, 0x27, 0x1b]];

/// And of the badges.
const BADGES: [(Class, Colour); 5] = [
    (Class::Proved, [0x45, 0x27, 0xa0]),
    (Class::ReExecuted, [0x1a, 0x7f, 0x37]),
    (Class::Attested, [0x0b, 0x5c, 0xad]),
    (Class::Claimed, [0x9a, 0x67, 0x00]),
    (Class::Redacted, [0x57, 0x60, 0x6a]),
];

/// Wide enough for the whole page, and narrower than most telephones.
const DESK: (u32, u32) = (1100, 5000);
const PHONE: (u32, u32) = (400, 9000);

type Colour = [u8; 3];

fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("LOOM_CHROMIUM").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| {
        let mut places = std::env::split_paths(&paths).flat_map(|folder| NAMES.map(|name| folder.join(name)));
        places.find(|program| program.is_file())
    });
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "no Chromium to look at pages with: install it, or set LOOM_CHROMIUM"
        );
        // Not by a macro: a test that passes would keep it to itself.
        let _ = writeln!(std::io::stderr(), "\nNOT LOOKED AT: no Chromium (install it, or set LOOM_CHROMIUM)");
    }
    found
}

/// A page in a folder of its own, and the browser that looks at it.
struct Look {
    browser: PathBuf,
    folder: tempfile::TempDir,
}

impl Look {
    fn at(html: &str) -> Option<Self> {
        let look = Self { browser: browser()?, folder: tempfile::tempdir().unwrap() };
        std::fs::write(look.path("page.html"), html).unwrap();
        Some(look)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[String]) -> String {
        let common =
            ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"];
        let quiet =
            ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--timeout=30000"];
        let output = Command::new(&self.browser)
            .args(common.iter().chain(&quiet))
            .arg(format!("--user-data-dir={}", self.path("browser").display()))
            .args(arguments)
            .arg(format!("file://{}", self.path("page.html").display()))
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.browser.display()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn seen(&self, (width, height): (u32, u32), more: &[&str]) -> Picture {
        let target = self.path("seen.png");
        let mut arguments =
            vec![format!("--window-size={width},{height}"), format!("--screenshot={}", target.display())];
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        self.run(&arguments);
        let picture = Picture::read(&target);
        assert_eq!((picture.width, picture.height), (width as usize, height as usize));
        picture
    }

    fn dom(&self) -> String {
        self.run(&["--dump-dom".to_owned()])
    }
}

#[derive(PartialEq, Eq)]
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<Colour>,
}

impl Picture {
    fn read(path: &Path) -> Self {
        let mut decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap()));
        decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let samples = info.color_type.samples();
        assert!(samples >= 3, "a coloured picture");
        let pixels = bytes[..info.buffer_size()].chunks_exact(samples).map(|pixel| [pixel[0], pixel[1], pixel[2]]);
        Self { width: info.width as usize, height: info.height as usize, pixels: pixels.collect() }
    }

    fn at(&self, x: usize, y: usize) -> Colour {
        self.pixels[y * self.width + x]
    }

    fn count(&self, colour: Colour) -> usize {
        self.pixels.iter().filter(|pixel| **pixel == colour).count()
    }

    /// How many badges of a colour a column runs through. Text across one does not count, nor does text of its colour.
    fn badges(&self, x: usize, colour: Colour) -> usize {
        const TEXT: usize = 14;
        const HEIGHT: usize = 15;
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for y in (0..self.height).filter(|y| self.at(x, *y) == colour) {
            match runs.last_mut().filter(|(_, end)| y - *end <= TEXT) {
                Some((_, end)) => *end = y,
                None => runs.push((y, y)),
            }
        }
        runs.iter().filter(|(start, end)| end - start >= HEIGHT).count()
    }

    /// Whether the page ended before the picture did.
    fn is_whole(&self) -> bool {
        (0..self.width).all(|x| self.at(x, self.height - 1) == GROUND)
    }

    /// Columns from `from` on in which there is more than ground and paper, and what is between them at a round corner.
    fn disturbed(&self, from: usize) -> Vec<usize> {
        let is_blank = |x: usize, y: usize| self.at(x, y).iter().zip(GROUND).all(|(light, ground)| *light >= ground);
        (from..self.width).filter(|x| (0..self.height).any(|y| !is_blank(*x, y))).collect()
    }
}

/// What anybody sees of a page, whatever the verdict.
fn assert_in_order(look: &Look, report: &Report, verdict: [Colour; 2]) {
    let desk = look.seen(DESK, &[]);
    assert!(desk.is_whole(), "the picture shows all of it");
    assert!(desk.count(INK) > 1_000 && desk.count(PAPER) > 300_000, "it is not blank");
    for colours in [GOOD, WARN, BAD] {
        // The banner is as wide as the page, and nothing else has its colour.
        let is_there = desk.count(colours[0]) > 20_000;
        assert_eq!(is_there, colours == verdict, "{colours:x?}");
        assert!(!is_there || desk.count(colours[1]) > 6 * 30, "its edge");
    }
    assert_eq!(desk.disturbed(DESK.0 as usize - 50), Vec::<usize>::new(), "nothing is beyond the paper");
    let left = (0..desk.width).find(|x| (0..desk.height).any(|y| desk.at(*x, y) == BADGES[0].1)).expect("the legend");
    for (class, colour) in BADGES {
        let claims = report.claims.iter().filter(|claim| claim.class == class).count();
        // Badges in tables stand 10 pixels further in than those of the legend and above the decision.
        let above = desk.badges(left + 8, colour);
        assert!((1..=2).contains(&above), "{class}: once in the legend: {above}");
        assert_eq!(desk.badges(left + 16, colour), claims + above, "a badge '{class}' for each claim");
    }
    let phone = look.seen(PHONE, &[]);
    assert!(phone.is_whole(), "the picture shows all of it");
    assert!(phone.count(verdict[0]) > 5_000, "the verdict");
    let beyond = phone.disturbed(PHONE.0 as usize - 14);
    assert_eq!(beyond, Vec::<usize>::new(), "nothing is cut off at the right");
    let dark = look.seen(DESK, &["--blink-settings=preferredColorScheme=0"]);
    assert!(dark == desk, "who prefers dark pages reads the same");
}

fn report_of(bytes: &Bytes) -> Report {
    verify(bytes, &auditor(), &*sandbox()).unwrap()
}

#[test]
fn a_good_bundle_looks_good() {
    let bytes = golden("loan-review");
    let report = report_of(&bytes);
    let Some(look) = Look::at(&page(&bytes, &report)) else { return };
    assert_in_order(&look, &report, GOOD);
}

#[test]
fn a_bundle_that_was_not_run_again_as_a_whole_looks_like_it() {
    let bytes = golden("redacted");
    let report = report_of(&bytes);
    let Some(look) = Look::at(&page(&bytes, &report)) else { return };
    assert_in_order(&look, &report, WARN);
}

#[test]
fn a_tampered_bundle_looks_bad() {
    let mut bytes = golden("loan-review").to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let bytes = bytes.into();
    let report = report_of(&bytes);
    let Some(look) = Look::at(&page(&bytes, &report)) else { return };
    assert_in_order(&look, &report, BAD);
}

#[test]
fn the_page_says_in_a_browser_what_it_is_to_say() {
    let bytes = golden("loan-review");
    let report = report_of(&bytes);
    let Some(look) = Look::at(&page(&bytes, &report)) else { return };
    let dom = look.dom();
    for text in
        ["default/loan-review/S0002", "All checks hold", "approve", "Ada", "ltv-purchase", "What was not proved"]
    {
        assert!(dom.contains(text), "{text}: {dom}");
    }
    for claim in &report.claims {
        assert!(dom.contains(&claim.subject), "{}", claim.subject);
    }
}

/// Files are made by strangers: what is in them may not call anybody when a person opens the page.
#[tokio::test]
async fn a_page_calls_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    // It hangs up at once, and ends with the process.
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let lure = format!(
        r#"</style></dd><img src="{address}a"><script src="{address}b"></script><link rel="stylesheet" href="{address}c">"#
    );
    let Some(control) = Look::at(&lure) else { return };
    control.dom();
    assert!(calls.swap(0, Ordering::SeqCst) > 0, "who is called would notice");

    let world = World::new().await;
    let program = serde_json::json!({"do": [{"op": "now"}, {"reply": {"decision": lure, lure.clone(): [lure]}}]});
    world.run(&program.to_string()).await;
    let bundle = world.bundle(None).await;
    let report = verified(&bundle, &world.auditor());
    let look = Look::at(&page(&file(&bundle), &report)).expect("there was a browser");
    let dom = look.dom();
    assert!(dom.contains("&lt;script src="), "{dom}");
    assert_eq!(calls.load(Ordering::SeqCst), 0, "{dom}");
    world.runtime.shutdown().await;
}
