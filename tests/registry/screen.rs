//! Pulling, pushing and building on a registry that knows its users, by the screens of the built program.

use super::server::Registry;
use crate::build::base;
use crate::outcrop::Outcrop;
use crate::terminal::Terminal;

#[test]
#[ignore = "needs root, docker-registry and busybox-static: run by .ci/run"]
fn images_are_fetched_and_brought_away_by_the_screen() {
    let registry = Registry::start_for_users();
    let name = format!("{}/team/base:1", registry.host);
    let log_in = |outcrop: &Outcrop| drop(outcrop.ok(["login", "-u", "me", "-p", "secret", &registry.host]));
    let maker = Outcrop::new();
    maker.feed(["import", "-", &name], &base());
    // Nobody is let in.
    let terminal = Terminal::start(&maker.command::<&str>([]), 120, 40, &[]);
    terminal
        .shows("team/base:1")
        .press("U")
        .shows("Bring the image")
        .press("\r")
        .shows("cannot push")
        .shows("outcrop login");
    log_in(&maker);
    terminal.press("U").shows("Bring the image").press("\r").shows("1: digest: sha256:").press("q");
    terminal.ends();
    let outcrop = Outcrop::new();
    log_in(&outcrop);
    let folder = outcrop.scratch("folder");
    std::fs::create_dir(&folder).expect("makes");
    std::fs::write(folder.join("Dockerfile"), format!("FROM {name}\nRUN echo by\nCOPY Dockerfile /\n"))
        .expect("writes");
    let mut command = outcrop.command::<&str>([]);
    let terminal = Terminal::start(command.current_dir(&folder), 120, 40, &[]);
    // The build fetches what it stands on, and says before that it will.
    terminal.shows("Images").press("5").shows("it is not here: it would be pulled").press("b");
    terminal
        .shows("build folder: folder is built")
        .press("\tg")
        .shows("Pulling from team/base")
        .shows(": Pull complete");
    terminal.press("q");
    terminal.ends();
    assert_eq!(outcrop.ok(["images", "-q", "folder"]).lines().count(), 1);
    outcrop.ok(["rmi", "-f", "folder", &name]);
    let terminal = Terminal::start(&outcrop.command::<&str>([]), 120, 40, &[]);
    terminal.shows("Images").press("p").shows("Fetch an image").press(&format!("{name}\r"));
    terminal.shows("Downloaded newer image for").shows("team/base:1").press("q");
    terminal.ends();
    assert_eq!(super::left(&outcrop), Vec::<String>::new());
}
