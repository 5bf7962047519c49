//! Appliances and their presence: what the store knows (birth and will) and what the hub knows (the tunnel).

use wire::resource::Site;

use crate::tunnel::hub::Hub;

/// A site with the connections that wait for a request right now.
pub fn with_tunnel(mut site: Site, hub: &Hub) -> Site {
    site.tunnel_connections = site
        .appliance
        .as_ref()
        .map_or(0, |appliance| hub.presence(appliance).spare);
    site
}
