//! Any URL and any TOML: no panic, and no message tells the password.
#![no_main]

use everlink::redis::Config;
use libfuzzer_sys::fuzz_target;

const CANARY: &str = "c4n4ry";

fuzz_target!(|text: &str| {
    if let Ok(config) = Config::from_url(text) {
        assert!(config.validate().is_ok(), "what a URL gives is valid");
        let shown = format!("{config:?}");
        if let Some(password) = &config.password
            && password.expose().len() > 8
        {
            assert!(!shown.contains(password.expose()));
        }
    }
    let secret = format!("redis://u:{CANARY}{}@h", text.replace(['@', '/'], ""));
    if let Err(error) = Config::from_url(&secret) {
        assert!(!error.to_string().contains(CANARY), "{error}");
        assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
    }
    if let Ok(config) = toml::from_str::<Config>(text) {
        let _ = config.validate();
    }
});
