//! The resource list.

use coap_proto::{Link, OptionSet, write_links};

fn links() -> Vec<Link> {
    vec![
        Link::new("/sensors/temp")
            .with("rt", "temperature-c outdoor")
            .with("if", "sensor")
            .with("ct", "0 60"),
        Link::new("/sensors/light").with("rt", "light-lux").with("sz", "12").flagged("obs"),
        Link::new("/a").with("title", "say \"hi\""),
    ]
}

fn listed(queries: &[&str]) -> String {
    let mut set = OptionSet::new();
    for query in queries {
        set.add_query(query);
    }
    write_links(&links(), set.view())
}

// verifies: RFC6690-2
#[test]
fn links_have_their_attributes_quoted_where_needed() {
    assert_eq!(
        listed(&[]),
        "</sensors/temp>;rt=\"temperature-c outdoor\";if=\"sensor\";ct=\"0 60\",\
         </sensors/light>;rt=\"light-lux\";sz=12;obs,</a>;title=\"say \\\"hi\\\"\""
    );
}

// verifies: RFC6690-4.1
#[test]
fn filters_choose_by_path_and_attribute() {
    let table: [(&[&str], usize); 11] = [
        (&["rt=light-lux"], 1),
        (&["rt=outdoor"], 1),
        (&["rt=temp*"], 1),
        (&["rt=*"], 2),
        (&["rt=none"], 0),
        (&["href=/sensors*"], 2),
        (&["href=/a"], 1),
        (&["obs"], 1),
        (&["ct=60"], 1),
        (&["title=say*"], 1),
        (&["href=/sensors*", "obs"], 1),
    ];
    for (queries, count) in table {
        assert_eq!(listed(queries).matches('<').count(), count, "{queries:?}");
    }
}
