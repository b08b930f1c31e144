use super::*;

const FILE: &str = "\
# The file of this machine.
[global]
\tworkgroup = HOME ; ours

# What the family has.
[Photos]
    path = /srv/photos   # the new disk
    Read Only=no
    # No strangers.

; Old things.

[attic]
path = /srv/attic

[photos]
    comment =
    read  only = yes
";

fn edited(edit: impl FnOnce(&mut ConfText)) -> String {
    changed(FILE, edit)
}

fn changed(text: &str, edit: impl FnOnce(&mut ConfText)) -> String {
    let mut conf = ConfText::parse(text.as_bytes());
    assert_eq!(conf.bytes(), text.as_bytes());
    edit(&mut conf);
    let bytes = conf.bytes();
    // What was made says the same when it is read again.
    assert_eq!(ConfText::parse(&bytes).bytes(), bytes);
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_value_is_changed_and_nothing_else() {
    let new = edited(|conf| conf.set("PHOTOS", &["path"], "/new/place"));
    let expected = FILE.replace("/srv/photos ", "/new/place ");
    assert_eq!(new, expected);
    let new = edited(|conf| conf.set("global", &["workgroup"], "WORK"));
    assert_eq!(new, FILE.replace("HOME", "WORK"));
}

#[test]
fn a_key_has_one_line_in_the_end() {
    let new = edited(|conf| conf.set("photos", &["read only"], "yes"));
    let expected =
        FILE.replace("Read Only=no", "Read Only=yes").replace("    read  only = yes\n", "");
    assert_eq!(new, expected);
    let new = edited(|conf| conf.set("photos", &["read only"], ""));
    let expected = FILE.replace("    Read Only=no\n", "").replace("    read  only = yes\n", "");
    assert_eq!(new, expected);
    let new = edited(|conf| conf.set("photos", &["remark", "comment"], "x"));
    assert_eq!(new, FILE.replace("comment =\n", "comment = x\n"));
    assert_eq!(edited(|conf| conf.set("attic", &["comment"], "")), FILE);
}

#[test]
fn a_new_line_stands_where_the_others_do() {
    let new = edited(|conf| conf.set("attic", &["writable", "writeable"], "yes"));
    let expected = FILE.replace("path = /srv/attic\n", "path = /srv/attic\nwritable = yes\n");
    assert_eq!(new, expected);
    let new = edited(|conf| conf.set("global", &["tcp port"], "4450"));
    assert_eq!(new, FILE.replace("; ours\n", "; ours\n\ttcp port = 4450\n"));
    let new = changed("[a]", |conf| conf.set("a", &["path"], "/x"));
    assert_eq!(new, "[a]\n    path = /x\n");
    let new = changed("[a]\r\n[b]\r\n\tx = y", |conf| conf.set("a", &["path"], "/x"));
    assert_eq!(new, "[a]\r\n\tpath = /x\r\n[b]\r\n\tx = y");
}

#[test]
fn sections_are_added_at_the_end() {
    let new = edited(|conf| {
        conf.add("New");
        conf.set("new", &["path"], "/n");
    });
    assert_eq!(new, format!("{FILE}\n[New]\n    path = /n\n"));
    let add = |conf: &mut ConfText| conf.add("a");
    assert_eq!(changed("", add), "[a]\n");
    assert_eq!(changed("# x", add), "# x\n\n[a]\n");
    assert_eq!(changed("[b]\r\n\r\n", add), "[b]\r\n\r\n[a]\r\n");
}

#[test]
fn a_section_goes_with_its_comments_and_no_others() {
    assert_eq!(
        edited(|conf| conf.remove("photos")),
        "# The file of this machine.\n[global]\n\tworkgroup = HOME ; ours\n\n\
         ; Old things.\n\n[attic]\npath = /srv/attic\n\n"
    );
    let new = edited(|conf| conf.remove("attic"));
    assert_eq!(new, FILE.replace("[attic]\npath = /srv/attic\n\n", ""));
    assert_eq!(edited(|conf| conf.remove("none")), FILE);
    assert_eq!(changed("# top\n[a]\nx = y\n", |conf| conf.remove("a")), "# top\n");
    assert_eq!(changed("[a]\n\n# b's\n[b]\n", |conf| conf.remove("a")), "# b's\n[b]\n");
}

#[test]
fn a_body_is_taken_out_and_put_back() {
    let conf = ConfText::parse(FILE.as_bytes());
    let body = String::from_utf8(conf.body("photos")).expect("UTF-8");
    assert!(body.starts_with("    path = /srv/photos") && body.ends_with("read  only = yes\n"));
    assert!(body.contains("# No strangers.\n") && !body.contains("Old things"), "{body}");
    let new = edited(|conf| conf.replace_body("photos", b"    path = /p"));
    assert!(
        new.contains("# What the family has.\n[Photos]\n    path = /p\n\n; Old things.\n\n[attic]"),
        "{new}"
    );
    assert_eq!(new.matches("hotos]").count(), 1, "{new}");
}
