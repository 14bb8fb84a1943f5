//! A section of the README as its reader takes it: words, then a block, then words.

/// Words between two blocks, on one line.
#[derive(Clone, Debug)]
pub(super) struct Words(String);

impl Words {
    /// The words in backticks, in order.
    fn spans(&self) -> impl Iterator<Item = String> {
        self.0.split('`').skip(1).step_by(2).map(str::to_owned)
    }

    /// The words in backticks that are exactly these.
    pub(super) fn span(&self, exact: &str) -> String {
        self.span_where(|span| span == exact)
    }

    /// The first words in backticks that `is_it` takes.
    pub(super) fn span_where(&self, is_it: impl Fn(&str) -> bool) -> String {
        let found = self.spans().find(|span| is_it(span));
        found.unwrap_or_else(|| panic!("the README does not say what this test looks for: {}", self.0))
    }
}

#[derive(Clone, Debug)]
enum Part {
    Words(Words),
    Block(String),
}

/// What is left of a section.
#[derive(Debug)]
pub(super) struct Walk(std::vec::IntoIter<Part>);

impl Walk {
    /// The section under this heading, up to the next one.
    pub(super) fn of(readme: &str, heading: &str) -> Self {
        let section = readme.split_once(&format!("\n{heading}\n")).expect("the README has this section").1;
        let mut parts = Vec::new();
        let mut words = Vec::new();
        let mut block: Option<String> = None;
        for line in section.lines() {
            match (&mut block, line.starts_with("```")) {
                (None, false) if line.starts_with("## ") => break,
                (None, false) => words.push(line.trim()),
                (None, true) => {
                    parts.extend(paragraphs(&words));
                    words.clear();
                    block = Some(String::new());
                }
                (Some(text), false) => text.extend([line, "\n"]),
                (Some(text), true) => {
                    parts.push(Part::Block(std::mem::take(text)));
                    block = None;
                }
            }
        }
        parts.extend(paragraphs(&words));
        Self(parts.into_iter())
    }

    /// The next paragraph, which must have these words in it; no block stands before it.
    pub(super) fn text(&mut self, with: &str) -> Words {
        loop {
            match self.0.next() {
                Some(Part::Words(words)) if words.0.contains(with) => return words,
                Some(Part::Words(_)) => {}
                other => panic!("the README does not say \"{with}\" here, but: {other:?}"),
            }
        }
    }

    /// The next block; no words stand before it.
    pub(super) fn block(&mut self) -> String {
        match self.0.next() {
            Some(Part::Block(block)) => block,
            other => panic!("the README has no block here, but: {other:?}"),
        }
    }

    /// Nothing is left that nobody ran.
    pub(super) fn ends(mut self) {
        assert!(!self.0.any(|part| matches!(part, Part::Block(_))), "the README goes on");
    }
}

fn paragraphs(lines: &[&str]) -> Vec<Part> {
    let whole = lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty());
    whole.map(|lines| Part::Words(Words(lines.join(" ")))).collect()
}

/// The commands of a block: a line, with those that continue it.
pub(super) fn commands(block: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        match commands.last_mut().filter(|_| goes_on) {
            Some(command) => command.extend(["\n", line]),
            None => commands.push(line.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    commands
}
