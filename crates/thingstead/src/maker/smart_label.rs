//! The picture of a smart device's label: a QR code, the serial and the code under it.
//!
//! Source: ADR 0273.

use osap_things::SmartLabel;
use png::{BitDepth, ColorType, Encoder};
use qrcode::{Color, EcLevel, QrCode};
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

/// Light modules around the code.
/// Source: ISO/IEC 18004, quiet zone.
const QUIET: usize = 4;
/// Picture points along one side of a module.
const SCALE: usize = 8;
/// Picture points along one side of a point of a letter.
const GLYPH_SCALE: usize = 2;
/// Columns a letter takes with the gap behind it.
const GLYPH_STEP: usize = 6;
const GLYPH_ROWS: usize = 7;
const GLYPH_COLUMNS: usize = 5;
const LINE_HEIGHT: usize = (GLYPH_ROWS + 3) * GLYPH_SCALE;
const DARK: u8 = 0;
const LIGHT: u8 = 255;

/// Seven rows of five points, the leftmost in bit 4: digits, then letters.
const GLYPHS: [[u8; GLYPH_ROWS]; 36] = [
    [14, 17, 19, 21, 25, 17, 14],
    [4, 12, 4, 4, 4, 4, 14],
    [14, 17, 1, 6, 8, 16, 31],
    [31, 2, 4, 2, 1, 17, 14],
    [2, 6, 10, 18, 31, 2, 2],
    [31, 16, 30, 1, 1, 17, 14],
    [6, 8, 16, 30, 17, 17, 14],
    [31, 1, 2, 4, 8, 8, 8],
    [14, 17, 17, 14, 17, 17, 14],
    [14, 17, 17, 15, 1, 2, 12],
    [14, 17, 17, 31, 17, 17, 17],
    [30, 17, 17, 30, 17, 17, 30],
    [14, 17, 16, 16, 16, 17, 14],
    [30, 17, 17, 17, 17, 17, 30],
    [31, 16, 16, 30, 16, 16, 31],
    [31, 16, 16, 30, 16, 16, 16],
    [14, 17, 16, 23, 17, 17, 15],
    [17, 17, 17, 31, 17, 17, 17],
    [14, 4, 4, 4, 4, 4, 14],
    [7, 2, 2, 2, 2, 18, 12],
    [17, 18, 20, 24, 20, 18, 17],
    [16, 16, 16, 16, 16, 16, 31],
    [17, 27, 21, 21, 17, 17, 17],
    [17, 25, 21, 19, 17, 17, 17],
    [14, 17, 17, 17, 17, 17, 14],
    [30, 17, 17, 30, 16, 16, 16],
    [14, 17, 17, 17, 21, 18, 13],
    [30, 17, 17, 30, 20, 18, 17],
    [15, 16, 16, 14, 1, 1, 30],
    [31, 4, 4, 4, 4, 4, 4],
    [17, 17, 17, 17, 17, 17, 14],
    [17, 17, 17, 17, 17, 10, 4],
    [17, 17, 17, 21, 21, 27, 17],
    [17, 17, 10, 4, 10, 17, 17],
    [17, 17, 10, 4, 4, 4, 4],
    [31, 1, 2, 4, 8, 16, 31],
];
const HYPHEN: [u8; GLYPH_ROWS] = [0, 0, 0, 31, 0, 0, 0];
/// What is neither a letter, a digit nor a hyphen: the code above says what it is.
const OTHER: [u8; GLYPH_ROWS] = [31, 17, 17, 17, 17, 17, 31];

struct Picture {
    points: Zeroizing<Vec<u8>>,
    width: usize,
    height: usize,
}

/// Draws the label as a PNG of one grey channel. Whoever sees it can enrol the device.
pub(crate) fn draw(label: &SmartLabel) -> Outcome<Zeroizing<Vec<u8>>> {
    let failed = |error: &dyn std::fmt::Display| Failure::new("internal", "a label").because(error);
    let text = Zeroizing::new(label.print());
    let code =
        QrCode::with_error_correction_level(text.as_bytes(), EcLevel::Q).map_err(|error| failed(&error))?;
    let modules = code.width();
    let serial = String::from_utf8_lossy(label.serial.as_bytes()).into_owned();
    let printed = Zeroizing::new(label.code.print());
    let longest = serial.len().max(printed.len()) * GLYPH_STEP * GLYPH_SCALE + 2 * SCALE;
    let side = (modules + 2 * QUIET) * SCALE;
    let width = side.max(longest);
    let height = side + 2 * LINE_HEIGHT + SCALE;
    let mut picture = Picture { points: Zeroizing::new(vec![LIGHT; width * height]), width, height };
    let left = (width - side) / 2;
    for (at, color) in code.into_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (left + (at % modules + QUIET) * SCALE, (at / modules + QUIET) * SCALE);
            picture.darken(x, y, SCALE);
        }
    }
    picture.print(&serial, side);
    picture.print(&printed, side + LINE_HEIGHT);
    picture.encode().map_err(|error| failed(&error))
}

impl Picture {
    fn darken(&mut self, x: usize, y: usize, size: usize) {
        for row in y..y + size {
            self.points[row * self.width + x..][..size].fill(DARK);
        }
    }

    fn print(&mut self, text: &str, y: usize) {
        let left = (self.width - text.len() * GLYPH_STEP * GLYPH_SCALE) / 2;
        for (at, letter) in text.chars().enumerate() {
            let glyph = match letter.to_ascii_uppercase() {
                digit @ '0'..='9' => GLYPHS[usize::from(digit as u8 - b'0')],
                upper @ 'A'..='Z' => GLYPHS[10 + usize::from(upper as u8 - b'A')],
                '-' => HYPHEN,
                _ => OTHER,
            };
            for (row, bits) in glyph.iter().enumerate() {
                for column in
                    (0..GLYPH_COLUMNS).filter(|column| bits >> (GLYPH_COLUMNS - 1 - column) & 1 == 1)
                {
                    let x = left + (at * GLYPH_STEP + column) * GLYPH_SCALE;
                    self.darken(x, y + row * GLYPH_SCALE, GLYPH_SCALE);
                }
            }
        }
    }

    fn encode(&self) -> Result<Zeroizing<Vec<u8>>, png::EncodingError> {
        let mut out = Zeroizing::new(Vec::new());
        let side = |length: usize| u32::try_from(length).expect("a label is some hundred points wide");
        let mut encoder = Encoder::new(&mut *out, side(self.width), side(self.height));
        encoder.set_color(ColorType::Grayscale);
        encoder.set_depth(BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.points)?;
        writer.finish()?;
        Ok(out)
    }
}

/// Reads a label from its picture with another library than the one that draws it.
#[cfg(test)]
pub(crate) fn read(path: &std::path::Path) -> Option<SmartLabel> {
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).ok()?));
    let mut reader = decoder.read_info().ok()?;
    let mut points = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut points).ok()?;
    let (width, height) = (info.width as usize, info.height as usize);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| points[y * width + x]);
    let grid = image.detect_grids().into_iter().next()?;
    let (_, text) = grid.decode().ok()?;
    SmartLabel::parse(&text).ok()
}
