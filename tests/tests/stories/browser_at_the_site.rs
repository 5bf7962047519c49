//! A person at the site, in a real browser.

use anyhow::Result;

#[tokio::test]
async fn browser_at_the_site() -> Result<()> {
    Ok(())
}
