#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(config) = outcrop_layers::config::ImageConfig::parse(data) {
        assert!(config.rootfs.diff_ids.len() <= outcrop_layers::config::MOST_LAYERS);
    }
});
