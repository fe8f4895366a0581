//! Data that outlives containers, and containers that outlive the engine.

use std::fs;

use super::Serve;
use super::script::split;
use crate::dockerd::{Dockerd, docker};
use crate::outcrop::{feed, text};
use crate::rootfs;

fn started() -> Serve {
    let serve = Serve::start();
    text(&feed(docker(&serve.host, ["import", "-", "base:1"]), &rootfs::busybox()));
    serve
}

impl Serve {
    /// Runs a docker command, quoted as in scripts, `@W` a directory beside the root; its answer.
    fn docker(&self, line: &str) -> String {
        let work = self.outcrop.scratch("w").display().to_string();
        let words = split(&line.replace("@W", &work));
        text(&docker(&self.host, words).output().expect("docker")).trim().to_owned()
    }
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn data_stays_when_its_container_goes() {
    let mut serve = started();
    serve.docker("volume create --label course=strata some_persistent_volume");
    let data = serve.outcrop.root().join("volumes/some_persistent_volume/_data");
    assert!(data.is_dir());
    serve.docker("run --name one --network none -v some_persistent_volume:/data base:1 cp /etc/passwd /data/kept");
    let written = fs::read_to_string(data.join("kept")).expect("what the container wrote");
    serve.docker("rm one");
    assert_eq!(fs::read_to_string(data.join("kept")).expect("stays"), written);
    let read = serve.docker("run --rm --network none -v some_persistent_volume:/data base:1 cat /data/kept");
    assert_eq!(read, written.trim());
    serve.docker("run --rm --network none -v made_by_run:/data base:1 touch /data/x");
    assert!(serve.outcrop.root().join("volumes/made_by_run/_data/x").exists());
    serve.docker("run --rm --network none -v @W:/host base:1 touch /host/shown");
    assert!(serve.outcrop.scratch("w/shown").exists(), "a bind mount shows on the host");

    serve.docker("create --name short --network none -v some_persistent_volume:/data -v @W:/host:ro base:1 true");
    serve.docker(
        "create --name long --network none --mount type=volume,src=some_persistent_volume,dst=/data \
         --mount type=bind,src=@W,dst=/host,readonly base:1 true",
    );
    let format = "{{range .Mounts}}{{.Type}},{{.Name}},{{.Source}},{{.Destination}},{{.RW}};{{end}}";
    let of = |name: &str| serve.docker(&format!("inspect {name} --format '{format}'"));
    assert_eq!(of("short"), of("long"));
    assert!(of("short").contains("/data,true;") && of("short").contains("/host,false;"));

    // dockerd finds the volume's labels, and starts the container.
    serve.docker("create --name handed --network none -v some_persistent_volume:/data base:1 cat /data/kept");
    serve.end();
    {
        let dockerd = Dockerd::on(serve.outcrop.root());
        assert_eq!(dockerd.ok(["start", "-a", "handed"]).trim(), written.trim());
        let labels = dockerd.ok(["volume", "inspect", "some_persistent_volume", "--format", "{{.Labels.course}}"]);
        assert_eq!(labels.trim(), "strata");
    }
    serve.restart();
    assert_eq!(serve.docker("start -a handed"), written.trim());
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn two_containers_share_layers_and_not_writes() {
    let serve = started();
    for name in ["left", "right"] {
        serve.docker(&format!("run --name {name} --network none base:1 mkdir /mine-{name}"));
    }
    let layer =
        |name: &str, dir: &str| serve.docker(&format!("inspect {name} --format {{{{.GraphDriver.Data.{dir}}}}}"));
    let lowers = |name: &str| layer(name, "LowerDir").split(':').skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lowers("left"), lowers("right"));
    assert!(!lowers("left").is_empty());
    assert_ne!(layer("left", "UpperDir"), layer("right", "UpperDir"));
    assert_eq!(serve.docker("diff left"), "A /mine-left");
    assert_eq!(serve.docker("diff right"), "A /mine-right");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn containers_outlive_the_engine() {
    let mut serve = started();
    serve.docker("run -d --name stays --network none base:1 sleep 1000");
    serve.docker("run -d --name again --network none --restart always base:1 sleep 1000");
    serve.docker("run -d --name not --network none --restart unless-stopped base:1 sleep 1000");
    let pid = serve.docker("inspect stays --format {{.State.Pid}}");
    serve.docker("stop -t 0 again not");
    serve.end();
    assert!(fs::metadata(format!("/proc/{pid}")).is_ok(), "it runs on");
    serve.restart();
    assert_eq!(serve.docker("inspect stays --format {{.State.Pid}}"), pid);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while serve.docker("inspect again --format {{.State.Running}}") != "true" {
        assert!(std::time::Instant::now() < end, "`always` starts again with the engine");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(serve.docker("inspect not --format {{.State.Running}}"), "false");
    assert_eq!(serve.docker("exec stays echo still"), "still");
}
