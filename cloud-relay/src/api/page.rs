//! Pages of lists: how long they are, and the cursor between them, which is opaque to clients.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::resource::Page;

use super::{ApiError, ApiResult};

/// Items of a page unless asked otherwise.
const LIMIT: u32 = 100;

/// Most items of a page.
const LIMIT_MAX: u32 = 500;

/// How many items were asked for.
pub fn limit(asked: Option<u32>) -> ApiResult<u32> {
    match asked {
        None => Ok(LIMIT),
        Some(limit @ 1..=LIMIT_MAX) => Ok(limit),
        Some(_) => Err(ApiError::invalid_field(
            "limit",
            format!("`limit` must lie between 1 and {LIMIT_MAX}."),
        )),
    }
}

/// Where the page begins; an empty cursor is the beginning.
pub fn cursor<C: DeserializeOwned>(asked: Option<&str>) -> ApiResult<Option<C>> {
    let Some(text) = asked.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    data_encoding::BASE64URL_NOPAD
        .decode(text.as_bytes())
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .map(Some)
        .ok_or_else(|| {
            ApiError::invalid_field(
                "cursor",
                "The cursor is not one that this list gave out. Start without a cursor.",
            )
        })
}

/// A page out of one item more than was asked for, which only tells that there are more.
pub fn page<T, R, C: Serialize>(
    mut found: Vec<T>,
    limit: u32,
    cursor: impl Fn(&T) -> C,
    resource: impl Fn(T) -> R,
) -> ApiResult<Page<R>> {
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next_cursor = match found.last().filter(|_| more) {
        Some(last) => {
            let json = serde_json::to_vec(&cursor(last)).map_err(ApiError::internal)?;
            Some(data_encoding::BASE64URL_NOPAD.encode(&json))
        }
        None => None,
    };
    Ok(Page {
        items: found.into_iter().map(resource).collect(),
        next_cursor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_the_last_page_has_none() {
        let list = page(vec![1, 2, 3], 2, |n| *n, |n| n * 10).unwrap();
        assert_eq!(list.items, [10, 20]);
        let next: Option<i32> = cursor(list.next_cursor.as_deref()).unwrap();
        assert_eq!(next, Some(2));
        let list = page(vec![3], 2, |n| *n, |n| n).unwrap();
        assert_eq!(list.next_cursor, None);
        assert_eq!(cursor::<i32>(Some("")).unwrap(), None);
        assert!(cursor::<i32>(Some("?")).is_err());
        assert!(limit(Some(0)).is_err() && limit(Some(501)).is_err());
    }
}
