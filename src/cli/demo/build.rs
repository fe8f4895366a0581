//! The two Dockerfiles of the lesson on layers, really built. Nothing is downloaded: the base has stand-ins for `apt-get` and `pip`
//! that make files like those which the real ones would leave.

use std::io;

use bytes::Bytes;
use outcrop_engine::layer::diff::PaxWriter;
use outcrop_layers::entry::{Entry, Kind, Time};

use super::content::{FIRST, SECOND, source};
use crate::cli::Failure;
use crate::cli::build::{Context, send};
use crate::connect::{Connection, at};
use crate::report::filter;
use crate::report::progress::Meter;

const APT: &str = r#"#!/bin/sh
# A stand-in for outcrop's demo: it downloads nothing, and makes files like those that apt-get would leave.
set -e
case "$1" in
update)
  mkdir -p /var/lib/apt/lists
  head -c 4100000 /dev/urandom > /var/lib/apt/lists/deb.example_dists_stable_main_binary_Packages ;;
*)
  mkdir -p /usr/bin /usr/lib/python3.11 /usr/share/doc/python3.11 /var/cache/apt/archives /var/lib/dpkg /var/log/apt /etc
  head -c 6800000 /dev/urandom > /usr/bin/python3.11
  chmod 755 /usr/bin/python3.11
  ln -s python3.11 /usr/bin/python3
  ln -s python3 /usr/bin/python
  head -c 1900000 /dev/urandom > /usr/lib/python3.11/lib-dynload.so
  for name in abc argparse ast base64 collections csv datetime email functools json logging typing; do
    seq 1 4000 > /usr/lib/python3.11/$name.py
  done
  head -c 1600000 /dev/urandom > /var/cache/apt/archives/python3.11_3.11.2_amd64.deb
  echo 'Package: python3.11' > /var/lib/dpkg/status
  echo 'Install: python3.11:amd64 (3.11.2)' > /var/log/apt/history.log
  echo "Made for outcrop's demo: no real package is in this image." > /usr/share/doc/python3.11/copyright
  echo 'optimise = 0' > /etc/python3.conf ;;
esac
"#;

const PIP: &str = r"#!/bin/sh
# A stand-in for outcrop's demo: it downloads nothing, and makes files like those that pip would leave.
set -e
packages=/usr/lib/python3/dist-packages
for name in flask werkzeug jinja2 click markupsafe flask_mysql; do
  mkdir -p $packages/$name
  for module in app cli core errors runtime; do
    seq 1 3000 > $packages/$name/$module.py
  done
done
echo '#!/usr/bin/python3' > /usr/bin/flask
chmod 755 /usr/bin/flask
mkdir -p /root/.cache/pip
head -c 1300000 /dev/urandom > /root/.cache/pip/flask-3.0.0-py3-none-any.whl
# A file of the layer below is written again, and one is removed: both stay in the image.
echo 'optimise = 1' > /etc/python3.conf
rm /var/cache/apt/archives/python3.11_3.11.2_amd64.deb
";

/// The base's tar with the stand-ins in it.
pub(super) fn with_stand_ins(base: &[u8]) -> io::Result<Bytes> {
    // Without the two blocks of zeros that end it.
    let end = base.len().saturating_sub(1024);
    let whole = if base[end..].iter().all(|&b| b == 0) { &base[..end] } else { base };
    let mut tar = PaxWriter::new(whole.to_vec());
    for (path, text) in [("usr/local/bin/apt-get", APT), ("usr/local/bin/pip", PIP)] {
        tar.entry(&Entry {
            path: path.as_bytes().into(),
            kind: Kind::File { size: text.len() as u64, disk: None },
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Time { seconds: jiff::Timestamp::now().as_second(), nanoseconds: 0 },
            xattrs: Vec::new(),
        })?;
        io::Write::write_all(&mut tar, text.as_bytes())?;
    }
    Ok(tar.finish()?.1.into())
}

fn dockerfile(copied: &str, start: &str) -> String {
    format!(
        "FROM base\n\nRUN apt-get update && apt-get -y install python\n\nRUN pip install flask flask-mysql\n\nCOPY {copied} /opt/source-code\n\nENTRYPOINT {start}\n"
    )
}

/// Builds both.
pub(super) async fn build(connection: &Connection) -> Result<(), Failure> {
    for (name, file) in [("app1:latest", "Dockerfile"), ("app2:latest", "Dockerfile2")] {
        let files = vec![
            ("Dockerfile".to_owned(), dockerfile(".", FIRST).into_bytes()),
            ("Dockerfile2".to_owned(), dockerfile("app2.py", SECOND).into_bytes()),
            ("app.py".to_owned(), source("app.py").into_bytes()),
            ("app2.py".to_owned(), source("app2.py").into_bytes()),
        ];
        let parameters = [("dockerfile", Some(file)), ("t", Some(name)), ("networkmode", Some("none"))];
        let docker = at(&connection.docker, &filter::query("/build", &parameters));
        let meter = Meter::new("building", None, true);
        send(&docker, Context::of_files(files, file), &meter, &mut |_| Ok(())).await?;
    }
    Ok(())
}
