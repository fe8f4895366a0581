//! Both mount grammars: what is read can be written and read again, and what the engine takes is a clean path below the root.
#![no_main]
use outcrop_engine::mount::{
    Kind, MountError, MountSpec, Request, Short, both_syntaxes, check, clean, merge, parse_bind, parse_long, parse_short,
};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(spec) = parse_long(text) {
        let (short, long) = both_syntaxes(&spec);
        let again = parse_long(&word(long.strip_prefix("--mount ").expect("a flag"))).expect("reads what it wrote");
        assert_eq!(plain(again), plain(spec.clone()));
        if let Some(bind) = short.as_deref().and_then(|short| short.strip_prefix("-v ")).filter(|_| check(&spec).is_ok()) {
            let text = word(bind);
            if !spec.source.is_empty() {
                let point = parse_bind(&text, "").expect("the short form is as good");
                assert_eq!((point.destination, !point.rw), (clean(&spec.target), spec.read_only));
                assert!(!matches!(parse_short(&text), Ok(Short::Anonymous(_)) | Err(_)));
            }
        }
    }
    match parse_short(text) {
        Ok(Short::Anonymous(path)) => whole(&Request { volumes: &[path], ..Request::default() }),
        Ok(Short::Bind(bind) | Short::Volume(bind)) => whole(&Request { binds: &[bind], ..Request::default() }),
        Err(error) => assert!(!error.message.is_empty()),
    }
});

fn whole(request: &Request<'_>) {
    let mut nobody = |_: &str| -> Result<_, MountError> { unreachable!("no container was named") };
    if let Ok(merged) = merge(request, &mut nobody) {
        for point in merged.points {
            assert!(point.destination.starts_with('/') && point.destination != "/");
            assert_eq!(clean(&point.destination), point.destination);
            assert!(point.kind != Kind::Bind || point.source.starts_with('/'));
        }
    }
}

/// Undoes a shell's single quotes.
fn word(text: &str) -> String {
    match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(inner) => inner.replace("'\\''", "'"),
        None => text.to_owned(),
    }
}

/// Options that say nothing are as good as none.
fn plain(mut spec: MountSpec) -> MountSpec {
    spec.bind_options = spec.bind_options.filter(|options| *options != Default::default());
    spec.tmpfs_options = spec.tmpfs_options.filter(|options| *options != Default::default());
    spec.image_options = spec.image_options.filter(|options| *options != Default::default());
    spec.volume_options = spec.volume_options.map(|mut options| {
        options.driver_config = options.driver_config.filter(|driver| *driver != Default::default());
        options
    });
    spec.volume_options = spec.volume_options.filter(|options| *options != Default::default());
    spec
}
