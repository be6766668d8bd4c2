//! What `connections` of a route may be.

use super::*;

#[test]
fn connections_are_a_number_or_bounds_and_a_later_layer_may_have_the_other() {
    let with = |connections: &str| ROUTE.replace("[route.xmpp]", &format!("{connections}\n[route.xmpp]"));
    let read = |text: &str, environment: &[(&str, &str)]| {
        let connections = load(text, environment).unwrap().config.routes[0].connections;
        (connections.min, connections.max, connections.is_fixed())
    };
    let bounds = with("connections = { min = 2, max = 16 }");
    assert_eq!((read(&bounds, &[]), read(&with("connections = 3"), &[])), ((2, 16, false), (3, 3, true)));
    let variable = "PUSHWEIR__ROUTE__IOS_1__CONNECTIONS";
    assert_eq!(read(&bounds, &[(variable, "5")]), (5, 5, true));
    assert_eq!(read(ROUTE, &[(variable, "{ min = 1, max = 4 }")]), (1, 4, false));
    assert_eq!(read(&bounds, &[(&format!("{variable}__MAX"), "20")]), (2, 20, false));
    let shown = load(&bounds, &[]).unwrap().effective;
    assert!(shown.contains("[route.connections]\nmin = 2  # test.toml:4\nmax = 16"), "{shown}");
    assert_eq!(read(&shown, &[]), (2, 16, false));
    for (wrong, key, problem) in [
        ("connections = { min = 3, max = 2 }", "min", "is above max"),
        ("connections = { min = 0, max = 2 }", "min", "is out of range"),
        ("connections = { min = 1, max = 5001 }", "max", "is out of range"),
        ("connections = { min = 1 }", "max", "is missing"),
        ("connections = { min = 1, max = 2, most = 3 }", "most", "is not a key"),
    ] {
        let faults = faults(&with(wrong));
        assert_eq!(faults.len(), 1, "{faults:?}");
        let found = (faults[0].key.as_str(), faults[0].problem.as_str());
        assert_eq!(found, (format!("route[0].connections.{key}").as_str(), problem), "{wrong}");
    }
    assert_eq!(faults(&with("connections = \"many\""))[0].key, "route[0].connections");
}
