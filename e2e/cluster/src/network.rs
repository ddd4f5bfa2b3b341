use crate::command::{output, words};
use crate::paths::write;
use anyhow::Result;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Service addresses.
pub(crate) const SERVICES: &str = "10.96.0.0/16";
/// The first Service address, which is the API server's.
pub(crate) const SERVICE_GATEWAY: &str = "10.96.0.1";
/// The DNS Service's address.
pub(crate) const DNS: &str = "10.96.0.10";

/// How many nodes the address plan has room for.
pub(crate) const MOST_NODES: u8 = 2;

/// A node's place in the address plan: the first is the machine itself, others are network
/// namespaces that a pair of virtual interfaces joins to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u8);

/// The places of the first `count` nodes.
pub(crate) fn places(count: u8) -> impl Iterator<Item = Place> {
    (0..count.min(MOST_NODES)).map(Place)
}

/// The addresses under which nodes and their pods reach the API server.
pub(crate) fn nodes_gateways() -> impl Iterator<Item = String> {
    places(MOST_NODES).map(Place::api_server)
}

impl Place {
    pub(crate) fn name(self) -> String {
        format!("node-{}", self.0 + 1)
    }

    /// The bridge's address, which is the node's.
    pub(crate) fn address(self) -> String {
        format!("10.244.{}.1", self.0)
    }

    /// Its pods' addresses.
    pub(crate) fn pods(self) -> String {
        format!("10.244.{}.0/24", self.0)
    }

    /// Where the API server is, seen from this node.
    pub(crate) fn api_server(self) -> String {
        if self.0 == 0 {
            self.address()
        } else {
            self.link(1)
        }
    }

    /// The namespace's file; none for the machine's own network.
    pub(crate) fn netns(self) -> Option<PathBuf> {
        (self.0 > 0).then(|| Path::new("/run/netns").join(self.namespace()))
    }

    fn namespace(self) -> String {
        format!("trilby-{}", self.name())
    }

    /// The machine's end of the pair.
    fn outer(self) -> String {
        format!("trilby-{}", self.0 + 1)
    }

    /// An end's address: 1 is the machine's, 2 the namespace's.
    fn link(self, end: u8) -> String {
        format!("10.245.{}.{end}", self.0 - 1)
    }

    /// Makes the node's network: namespace and pair if it needs them, then bridge and routes.
    pub(crate) fn create(self) -> Result<()> {
        if self.0 > 0 {
            self.create_namespace()?;
        }
        let ip = self.ip();
        words(&format!("{ip} link add cni0 type bridge"))?;
        words(&format!("{ip} addr add {}/24 dev cni0", self.address()))?;
        words(&format!("{ip} link set cni0 up"))?;
        // Services are reached without a default route, and from an address that pods can answer.
        words(&format!("{ip} route add {SERVICES} dev cni0"))?;
        self.set("net/ipv4/ip_forward")?;
        // Replies between pods of one bridge must pass the translation of Service addresses.
        self.set("net/bridge/bridge-nf-call-iptables")
    }

    fn create_namespace(self) -> Result<()> {
        let (namespace, outer) = (self.namespace(), self.outer());
        words(&format!("ip netns add {namespace}"))?;
        words(&format!(
            "ip link add {outer} type veth peer name eth0 netns {namespace}"
        ))?;
        words(&format!("ip addr add {}/30 dev {outer}", self.link(1)))?;
        words(&format!("ip link set {outer} up"))?;
        words(&format!(
            "ip route add {} via {}",
            self.pods(),
            self.link(2)
        ))?;
        let ip = self.ip();
        words(&format!("{ip} link set lo up"))?;
        words(&format!("{ip} addr add {}/30 dev eth0", self.link(2)))?;
        words(&format!("{ip} link set eth0 up"))?;
        words(&format!("{ip} route add default via {}", self.link(1))).map(drop)
    }

    /// The `ip` command, working on this node's network.
    fn ip(self) -> String {
        if self.0 == 0 {
            "ip".to_owned()
        } else {
            format!("ip -n {}", self.namespace())
        }
    }

    /// Switches a kernel setting of this node's network on.
    fn set(self, key: &str) -> Result<()> {
        match self.netns() {
            None => write(Path::new("/proc/sys").join(key).as_path(), "1"),
            // A process sees the settings of the network it is in.
            Some(file) => output(
                Command::new("nsenter")
                    .arg(format!("--net={}", file.display()))
                    .args(["sh", "-c", &format!("echo 1 > /proc/sys/{key}")]),
            )
            .map(drop),
        }
    }

    /// The plugin configuration that containerd reads, and the folder it keeps addresses in.
    pub(crate) fn cni(self, addresses: &Path) -> serde_json::Value {
        json!({
            "cniVersion": "1.0.0",
            "name": self.namespace(),
            "plugins": [
                {
                    "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": addresses,
                        "ranges": [[{"subnet": self.pods()}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        })
    }

    /// Removes what [`Place::create`] and the kube-proxy made; what is not there is no error.
    pub(crate) fn remove(self) {
        let mut lines = vec![format!("{} link del cni0", self.ip())];
        match self.netns() {
            // The pair and the tables of a namespace go with it.
            Some(_) => lines.extend([
                format!("ip link del {}", self.outer()),
                format!("ip netns del {}", self.namespace()),
            ]),
            None => lines.extend([
                "nft delete table ip kube-proxy".to_owned(),
                "nft delete table ip6 kube-proxy".to_owned(),
            ]),
        }
        for line in lines {
            words(&line).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_do_not_overlap() {
        let [first, second] = [Place(0), Place(1)];
        assert_eq!(
            [first.pods(), second.pods()],
            ["10.244.0.0/24", "10.244.1.0/24"]
        );
        assert_eq!(
            [first.api_server(), second.api_server()],
            ["10.244.0.1", "10.245.0.1"]
        );
        assert_eq!(first.netns(), None);
        assert_eq!(
            second.netns().unwrap(),
            Path::new("/run/netns/trilby-node-2")
        );
    }
}
