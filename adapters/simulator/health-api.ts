import { X509Certificate } from 'node:crypto';
import { audit, broken, type Call, needs, type Route } from './call.ts';
import { node } from './verify.ts';

/** What tells of a node's health: its pools, certificates and updates. Shapes after the API descriptions of 8.4 and 9.2. */

/** One pool per zfspool storage, and `rpool` beside them. */
function pools(call: Call): unknown[] {
  const storages = call.world.storagesOf(call.node.name, call.state).filter(({ type }) => type === 'zfspool');
  return storages.map((storage) => {
    const alloc = call.world.used(call.node.name, storage);
    const health = call.node.pools?.get(storage.id) ?? 'ONLINE';
    return { name: storage.id, size: storage.total, alloc, free: storage.total - alloc, frag: 4, dedup: 1, health };
  });
}

const epoch = (text: string): number => Math.floor(Date.parse(text) / 1000);

/** All nodes share one certificate here; `certificateEnds` of a node wins over what it says. */
function certificates(call: Call, pem: string): unknown[] {
  const read = new X509Certificate(pem);
  return [
    {
      filename: 'pve-ssl.pem',
      fingerprint: read.fingerprint256,
      issuer: `/CN=Proxmox Virtual Environment/OU=${call.node.name}/O=PVE Cluster Manager CA`,
      subject: `/OU=PVE Cluster Node/O=Proxmox Virtual Environment/CN=${call.node.name}`,
      notbefore: epoch(read.validFrom),
      notafter: call.node.certificateEnds ?? epoch(read.validTo),
      pem,
      'public-key-bits': 256,
      'public-key-type': 'id-ecPublicKey',
      san: ['127.0.0.1', 'localhost', call.node.name],
    },
  ];
}

const updates = (call: Call): unknown[] =>
  (call.node.updates ?? []).map((name) => ({
    Arch: 'amd64',
    Description: `${name} as packaged by Proxmox`,
    OldVersion: '1.0-1',
    Origin: 'Proxmox',
    Package: name,
    Priority: 'optional',
    Section: 'admin',
    Title: name,
    Version: '1.0-2',
  }));

export const healthRoutes = (pem: () => string): Route[] => [
  { method: 'GET', path: '/nodes/{node}/disks/zfs', rules: { node }, may: audit, run: pools },
  { method: 'GET', path: '/nodes/{node}/certificates/info', rules: { node }, run: (call) => certificates(call, pem()) },
  {
    method: 'GET',
    path: '/nodes/{node}/apt/update',
    rules: { node },
    may: needs((params) => `/nodes/${params.node}`, 'Sys.Modify'),
    run: updates,
  },
  {
    method: 'GET',
    path: '/cluster/ceph/status',
    rules: {},
    may: audit,
    run: (call) => call.world.ceph ?? fail(),
  },
];

function fail(): never {
  throw broken('binary not installed: /usr/bin/ceph-mon\n');
}
