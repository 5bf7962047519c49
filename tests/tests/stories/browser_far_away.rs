//! A person far away, in a real browser.

use anyhow::Result;

#[tokio::test]
async fn browser_far_away() -> Result<()> {
    Ok(())
}
