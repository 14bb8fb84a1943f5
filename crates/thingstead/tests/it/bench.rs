//! Benchmarks run and say what they measured; how much it is, no test asks.

use std::process::Command;

use serde_json::Value;

fn bench(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thingstead"));
    let output = command.arg("bench").args(words).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_row_has_a_reference_and_a_spread() {
    // Few endpoints: other tests use ports of this machine, too.
    let words = ["coap", "--pairs", "2", "--seconds", "1", "--endpoints", "8,64", "--json"];
    let rows: Value = serde_json::from_str(&bench(&words)).unwrap();
    let rows = rows.as_array().expect("a list of rows");
    assert_eq!(rows.len(), 2, "few endpoints, and many");
    for row in rows {
        let figure = |name: &str| row[name].as_f64().expect("a figure");
        assert!(figure("ours") > 0.0 && figure("theirs") > 0.0, "{row}");
        let [low, high] = [&row["spread"][0], &row["spread"][1]].map(|end| end.as_f64().expect("an end"));
        assert!(low <= figure("ratio") && figure("ratio") <= high, "{row}");
        assert_eq!(row["pairs"], 2);
    }
}

#[test]
fn the_list_names_what_can_be_measured() {
    assert!(bench(&["--list"]).contains("coap"));
}
