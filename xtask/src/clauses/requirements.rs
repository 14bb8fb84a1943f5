//! The rows of `requirements.csv`.

/// One testable sentence of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) role: String,
    pub(crate) level: String,
    pub(crate) text: String,
}

impl Requirement {
    /// The section of the source: the id without its last number.
    pub(crate) fn section(&self) -> &str {
        self.id.rsplit_once('-').map_or(&self.id[..], |(section, _)| section)
    }
}

const HEADER: [&str; 6] = ["id", "source", "role", "level", "requirement", "verify"];

/// Reads the rows in their order.
pub(crate) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut records = records_of(text).into_iter();
    if records.next().is_none_or(|header| header != HEADER) {
        return Err(format!("requirements.csv: the columns are not {}", HEADER.join(",")));
    }
    let mut rows: Vec<Requirement> = Vec::new();
    for record in records {
        let Ok([id, source, role, level, text, _verify]) = <[String; 6]>::try_from(record) else {
            let after = rows.last().map_or("the header", |row| &row.id);
            return Err(format!("requirements.csv: the row after {after} has not six columns"));
        };
        if rows.iter().any(|row| row.id == id) {
            return Err(format!("requirements.csv: {id} is there twice"));
        }
        rows.push(Requirement { id, source, role, level, text });
    }
    Ok(rows)
}

/// Comma-separated records; a field in double quotes may hold commas, line ends and doubled quotes.
fn records_of(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "id,source,role,level,requirement,verify\n";

    #[test]
    fn quoted_fields_may_hold_commas_quotes_and_line_ends() {
        let rows =
            parse(&format!("{HEAD}A-1.2-03,A,any,must,\"says \"\"a, b\"\"\nand c\",look\n")).expect("parses");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].text, "says \"a, b\"\nand c");
        assert_eq!(rows[0].section(), "A-1.2");
    }

    #[test]
    fn a_last_line_without_an_end_counts() {
        assert_eq!(parse(&format!("{HEAD}A-1,A,any,must,b,c")).expect("parses").len(), 1);
    }

    #[test]
    fn other_columns_short_rows_and_repeated_ids_are_refused() {
        assert!(parse("id,source\n").is_err());
        assert!(parse(&format!("{HEAD}A-1,A,any,must,b\n")).is_err());
        assert!(parse(&format!("{HEAD}A-1,A,any,must,b,c\nA-1,A,any,must,b,c\n")).is_err());
    }
}
