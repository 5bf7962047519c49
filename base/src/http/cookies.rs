//! The three cookies of a browser's login. `SameSite=Strict` keeps other sites from using them, `HttpOnly` keeps scripts
//! from reading the two that matter.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use wire::resource::LoginResponse;

use super::error::{ApiError, ApiResult};

/// Carries the access token.
pub const ACCESS: &str = "hf_access";
/// Carries the refresh token.
pub const REFRESH: &str = "hf_refresh";
/// Readable by the page, which sends it back as [`CSRF_HEADER`].
pub const CSRF: &str = "hf_csrf";
/// Where the page sends the value of [`CSRF`] on changes.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// What the page is reached over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain: a browser would throw a `Secure` cookie away.
    Http,
    /// Encrypted: the cookie never travels otherwise.
    Https,
}

/// The value of a cookie.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
}

/// Hands the tokens of a login to a browser.
pub fn set(
    headers: &mut HeaderMap,
    transport: Transport,
    login: &LoginResponse,
    refresh_lifetime_s: i64,
) -> ApiResult<()> {
    let access_lifetime_s = i64::from(login.expires_in_s);
    for (name, value, lifetime_s, hidden) in [
        (ACCESS, &login.access_token, access_lifetime_s, true),
        (REFRESH, &login.refresh_token, refresh_lifetime_s, true),
        (CSRF, &login.csrf_token, refresh_lifetime_s, false),
    ] {
        append(headers, transport, name, value, lifetime_s, hidden)?;
    }
    Ok(())
}

/// Takes them back.
pub fn clear(headers: &mut HeaderMap, transport: Transport) -> ApiResult<()> {
    for (name, hidden) in [(ACCESS, true), (REFRESH, true), (CSRF, false)] {
        append(headers, transport, name, "", 0, hidden)?;
    }
    Ok(())
}

fn append(
    headers: &mut HeaderMap,
    transport: Transport,
    name: &str,
    value: &str,
    lifetime_s: i64,
    hidden: bool,
) -> ApiResult<()> {
    let hidden = if hidden { "; HttpOnly" } else { "" };
    let secure = match transport {
        Transport::Https => "; Secure",
        Transport::Http => "",
    };
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={lifetime_s}; SameSite=Strict{secure}{hidden}");
    let cookie = HeaderValue::from_str(&cookie).map_err(ApiError::internal)?;
    headers.append(header::SET_COOKIE, cookie);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_among_others_and_over_several_headers() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("a=1; hf_access=x=y;b"),
        );
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("hf_csrf=c; hf_refresh="),
        );
        assert_eq!(read(&headers, ACCESS), Some("x=y"));
        assert_eq!(read(&headers, CSRF), Some("c"));
        assert_eq!(read(&headers, REFRESH), None);
        assert_eq!(read(&headers, "access"), None);
    }
}
