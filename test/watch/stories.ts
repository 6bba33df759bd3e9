import { Timeline } from './timeline.ts';

/** The situations of FACTS.md 1.4 as timelines, and what is true of each. */

export interface HaStory {
  readonly title: string;
  readonly timeline: Timeline;
  /** As `gist` prints it. */
  readonly truth: readonly string[];
}

export function three(): Timeline {
  return new Timeline()
    .guest(101, 'proxy', 'ovh1', { target: 'ovh3' })
    .guest(103, 'robotoff', 'ovh2', { target: 'ovh3' })
    .guest(110, 'metabase', 'ovh2', { target: 'ovh3' })
    .guest(117, 'wiki', 'ovh2', { ha: false });
}

function die(line: Timeline, node: string): void {
  line.node(node, { up: false, state: 'unknown' });
}

function recover(line: Timeline, from: string, to: string): void {
  line.node(from, { state: 'unknown' });
  for (const sid of line.on(from)) {
    line.service(sid, { node: to, crm: 'started', state: 'starting' });
    for (const job of Object.values(line.jobs))
      if (job.guest === Number(sid.slice(3)) && job.target === to)
        Object.assign(job, { source: to, target: from, lastSync: 0 });
  }
}

function run(line: Timeline, node: string): void {
  for (const sid of line.on(node)) line.service(sid, { crm: 'started', state: 'started' });
}

function fence(line: Timeline, node: string): void {
  line.node(node, { state: 'fence' });
  for (const sid of line.on(node)) line.service(sid, { crm: 'fence', state: 'fence' });
}

export function powerLoss(line: Timeline): Timeline {
  line.until(60);
  die(line, 'ovh2');
  line.until(110);
  fence(line, 'ovh2');
  line.until(180);
  recover(line, 'ovh2', 'ovh3');
  line.until(190);
  run(line, 'ovh3');
  return line.until(300);
}

const LOST = ['node-lost ovh2'];
const BOTH = ['ha-failover 103 ovh2→ovh3', 'ha-failover 110 ovh2→ovh3'];

function comesBack(): Timeline {
  const line = powerLoss(three());
  line.node('ovh2', { up: true, state: 'online' }).until(320);
  for (const sid of ['ct:103', 'ct:110']) line.service(sid, { crm: 'migrate', state: 'migrate' });
  line.until(340);
  for (const sid of ['ct:103', 'ct:110']) line.service(sid, { node: 'ovh2', crm: 'started', state: 'starting' });
  line.until(350);
  run(line, 'ovh2');
  return line.until(480);
}

function masterLoss(): Timeline {
  const line = three();
  line.via = 'ovh2';
  line.until(60);
  line.node('ovh1', { up: false });
  line.until(180);
  line.master = 'ovh3';
  line.node('ovh1', { state: 'unknown' });
  line.until(240);
  recover(line, 'ovh1', 'ovh3');
  line.until(250);
  run(line, 'ovh3');
  return line.until(360);
}

function partition(): Timeline {
  const line = three();
  line.via = 'ovh2';
  line.until(60);
  line.node('ovh1', { quorate: false });
  for (let t = 60; t < 120; t += 10) {
    line.poll('ovh1');
    line.until(t + 10);
  }
  line.node('ovh1', { up: false }).until(180);
  line.master = 'ovh2';
  line.node('ovh1', { state: 'unknown' });
  line.until(240);
  recover(line, 'ovh1', 'ovh3');
  line.until(250);
  run(line, 'ovh3');
  return line.until(360);
}

function twoAtOnce(): Timeline {
  const line = new Timeline(['ovh1', 'ovh2', 'ovh3', 'ovh4', 'ovh5'])
    .guest(103, 'robotoff', 'ovh2', { target: 'ovh3' })
    .guest(104, 'wiki', 'ovh4', { target: 'ovh5' });
  line.until(60);
  die(line, 'ovh2');
  die(line, 'ovh4');
  line.until(120);
  fence(line, 'ovh2');
  fence(line, 'ovh4');
  line.until(190);
  recover(line, 'ovh2', 'ovh3');
  recover(line, 'ovh4', 'ovh5');
  line.until(200);
  run(line, 'ovh3');
  run(line, 'ovh5');
  return line.until(300);
}

function powerOff(): Timeline {
  const line = three().until(60);
  line.node('ovh2', { mode: 'shutdown' }).until(80);
  die(line, 'ovh2');
  line.until(150);
  recover(line, 'ovh2', 'ovh3');
  line.until(160);
  run(line, 'ovh3');
  return line.until(300);
}

function reboot(): Timeline {
  const line = three().until(60);
  line.node('ovh2', { mode: 'restart' });
  for (const sid of line.on('ovh2')) line.service(sid, { crm: 'freeze', state: 'freeze' });
  line.until(80);
  die(line, 'ovh2');
  line.until(180);
  line.node('ovh2', { up: true, mode: 'active', state: 'online' });
  for (const sid of line.on('ovh2')) line.service(sid, { crm: 'started', state: 'starting' });
  line.until(200);
  run(line, 'ovh2');
  return line.until(300);
}

function lrmUpgrade(): Timeline {
  const line = three().until(60);
  line.node('ovh2', { mode: 'restart' });
  for (const sid of line.on('ovh2')) line.service(sid, { crm: 'freeze', state: 'freeze' });
  line.until(80);
  line.node('ovh2', { mode: 'active' });
  run(line, 'ovh2');
  return line.until(200);
}

function blip(): Timeline {
  const line = three().until(60);
  die(line, 'ovh2');
  line.until(100);
  line.node('ovh2', { up: true, state: 'online' });
  return line.until(300);
}

function maintenance(policy: 'manual' | 'shutdown'): Timeline {
  const line = three().until(60);
  line.node('ovh2', { mode: 'maintenance', state: 'maintenance', requested: policy === 'manual' });
  for (const sid of line.on('ovh2')) line.service(sid, { crm: 'relocate', state: 'relocate' });
  line.until(80);
  for (const sid of line.on('ovh2'))
    line.service(sid, { node: 'ovh3', left: 'ovh2', crm: 'started', state: 'starting' });
  line.until(90);
  run(line, 'ovh3');
  line.until(100);
  if (policy === 'shutdown') line.node('ovh2', { up: false });
  line.until(240);
  line.node('ovh2', { up: true, mode: 'active', state: 'online', requested: false });
  for (const sid of ['ct:103', 'ct:110']) line.service(sid, { crm: 'relocate', state: 'relocate' });
  line.until(260);
  for (const sid of ['ct:103', 'ct:110']) line.service(sid, { node: 'ovh2', crm: 'started', state: 'starting' });
  line.until(270);
  run(line, 'ovh2');
  return line.until(400);
}

function noReplica(ends: 'error' | 'runs'): Timeline {
  const line = three().until(60);
  die(line, 'ovh2');
  line.until(120);
  fence(line, 'ovh2');
  line.until(190);
  line.node('ovh2', { state: 'unknown' });
  line.service('ct:103', { node: 'ovh1', crm: 'started', state: 'starting' });
  line.service('ct:110', { node: 'ovh3', crm: 'started', state: 'starting' });
  line.until(200).service('ct:110', { state: 'started' }).until(220);
  line.service('ct:103', { crm: 'relocate', state: 'relocate', failed: ['ovh1'] }).until(240);
  line.service('ct:103', { node: 'ovh3', crm: 'started', state: 'starting' }).until(260);
  if (ends === 'error') line.service('ct:103', { crm: 'error', state: 'error' });
  else line.service('ct:103', { state: 'started', failed: [] });
  return line.until(360);
}

function fencingHangs(): Timeline {
  const line = three().until(60);
  die(line, 'ovh2');
  line.until(120);
  fence(line, 'ovh2');
  return line.until(420);
}

function nowhereToGo(): Timeline {
  const line = three().until(60);
  die(line, 'ovh2');
  line.until(120);
  fence(line, 'ovh2');
  line.until(190);
  line.node('ovh2', { state: 'unknown' });
  line.service('ct:103', { crm: 'recovery', state: 'recovery' });
  line.service('ct:110', { node: 'ovh3', crm: 'started', state: 'starting' });
  line.until(200).service('ct:110', { state: 'started' });
  return line.until(420);
}

function migrated(by: 'person' | 'unseen'): Timeline {
  const line = three().guest(201, 'win-ci', 'ovh2', { vm: true }).until(60);
  if (by === 'person') {
    line.task('hamigrate', 'ovh1', 103, 'alice@pve').task('hamigrate', 'ovh1', 201, 'alice@pve');
    line
      .service('ct:103', { crm: 'migrate', state: 'migrate' })
      .service('vm:201', { crm: 'migrate', state: 'migrate' });
    line.until(80);
  }
  line.service('ct:103', { node: 'ovh3', crm: 'started', state: 'starting' });
  line.service('vm:201', { node: 'ovh3', crm: 'started', state: 'started' }).until(90);
  run(line, 'ovh3');
  return line.until(300);
}

function stoppedService(): Timeline {
  const line = three();
  line.service('ct:110', { crm: 'stopped', state: 'stopped', request: 'stopped' });
  line.until(60);
  die(line, 'ovh2');
  line.until(110);
  line.node('ovh2', { state: 'fence' });
  line.service('ct:103', { crm: 'fence', state: 'fence' }).service('ct:110', { crm: 'fence', state: 'fence' });
  line.until(180);
  line.service('ct:103', { node: 'ovh3', crm: 'started', state: 'starting' });
  line.service('ct:110', { node: 'ovh3', crm: 'stopped', state: 'stopped' }).until(190);
  line.service('ct:103', { state: 'started' });
  return line.until(300);
}

function startFails(): Timeline {
  const line = three().until(60);
  line.service('ct:103', { state: 'starting' }).until(90);
  line.service('ct:103', { crm: 'relocate', state: 'relocate', failed: ['ovh2'] }).until(120);
  line.service('ct:103', { node: 'ovh3', crm: 'started', state: 'starting' }).until(130);
  line.service('ct:103', { state: 'started', failed: [] });
  return line.until(240);
}

function disarmed(): Timeline {
  const line = three().until(60);
  line.armed = 'disarming';
  for (const sid of Object.keys(line.services)) line.service(sid, { crm: 'freeze', state: 'freeze' });
  line.until(80);
  line.armed = 'disarmed';
  for (const node of Object.keys(line.nodes)) line.node(node, { mode: 'disarm' });
  line.until(180);
  line.armed = 'armed';
  line.until(200);
  for (const node of Object.keys(line.nodes)) line.node(node, { mode: 'active' });
  for (const sid of Object.keys(line.services)) line.service(sid, { crm: 'started', state: 'started' });
  return line.until(300);
}

/** Every node is asked, in turn; the first that answers with quorum is not the first that said it had none. */
function quorumLostByAll(): Timeline {
  const line = three().until(60);
  for (const node of Object.keys(line.nodes)) line.node(node, { quorate: false });
  for (let t = 60; t < 180; t += 10) {
    line.poll('ovh2');
    line.poll('ovh3');
    line.until(t + 10);
  }
  for (const node of Object.keys(line.nodes)) line.node(node, { quorate: true });
  line.via = 'ovh3';
  return line.until(300);
}

function quorumLost(): Timeline {
  const line = three().until(60);
  for (const node of Object.keys(line.nodes)) line.node(node, { quorate: false });
  line.until(180);
  for (const node of Object.keys(line.nodes)) line.node(node, { quorate: true });
  return line.until(300);
}

function oldPve(): Timeline {
  const line = three();
  line.pve8 = true;
  return powerLoss(line);
}

const AWAY = ['node-back-from-maintenance ovh2', 'node-maintenance ovh2'];
const NEW_MASTER = (to: string) => `ha-master-changed ${to} ovh1→${to}`;

export const stories: readonly HaStory[] = [
  { title: 'a node loses power', timeline: powerLoss(three()), truth: [...BOTH, ...LOST] },
  { title: 'a node of PVE 8 loses power', timeline: oldPve(), truth: [...BOTH, ...LOST] },
  {
    title: 'a lost node comes back and its guests go home',
    timeline: comesBack(),
    truth: ['ha-failback 103 ovh3→ovh2', 'ha-failback 110 ovh3→ovh2', ...BOTH, 'node-back ovh2', ...LOST],
  },
  {
    title: 'the HA master loses power',
    timeline: masterLoss(),
    truth: ['ha-failover 101 ovh1→ovh3', NEW_MASTER('ovh3'), 'node-lost ovh1'],
  },
  {
    title: 'the HA master is cut off, and asked as well',
    timeline: partition(),
    truth: ['ha-failover 101 ovh1→ovh3', NEW_MASTER('ovh2'), 'node-lost ovh1'],
  },
  {
    title: 'two of five nodes lose power at once',
    timeline: twoAtOnce(),
    truth: ['ha-failover 103 ovh2→ovh3', 'ha-failover 104 ovh4→ovh5', 'node-lost ovh2', 'node-lost ovh4'],
  },
  { title: 'a node is powered off in order', timeline: powerOff(), truth: [...BOTH, 'node-shutdown ovh2'] },
  { title: 'a node reboots', timeline: reboot(), truth: ['node-reboot ovh2'] },
  { title: 'the HA packages are upgraded', timeline: lrmUpgrade(), truth: [] },
  { title: 'a node is away for 40 s', timeline: blip(), truth: ['node-unreachable-brief ovh2'] },
  { title: 'a node goes into maintenance and returns', timeline: maintenance('manual'), truth: AWAY },
  { title: 'a node is shut down with policy migrate and returns', timeline: maintenance('shutdown'), truth: AWAY },
  {
    title: 'there is no replica where a guest is recovered',
    timeline: noReplica('error'),
    truth: ['ha-failover 110 ovh2→ovh3', 'ha-failover-failed 103 ovh2→ovh1', ...LOST],
  },
  {
    title: 'the second node that is tried has the replica',
    timeline: noReplica('runs'),
    truth: [...BOTH, ...LOST],
  },
  {
    title: 'fencing hangs',
    timeline: fencingHangs(),
    truth: ['fencing-stalled ovh2', ...LOST],
  },
  {
    title: 'there is nowhere to go',
    timeline: nowhereToGo(),
    truth: ['ha-failover 110 ovh2→ovh3', ...LOST, 'recovery-stalled 103 ovh2→undefined'],
  },
  {
    title: 'somebody migrates a container and a VM',
    timeline: migrated('person'),
    truth: ['planned-migration 103 ovh2→ovh3', 'planned-migration 201 ovh2→ovh3'],
  },
  {
    title: 'a migration falls between two polls',
    timeline: migrated('unseen'),
    truth: ['planned-migration 103 ovh2→ovh3', 'planned-migration 201 ovh2→ovh3'],
  },
  {
    title: 'a stopped service was on the lost node',
    timeline: stoppedService(),
    truth: ['ha-failover 103 ovh2→ovh3', ...LOST],
  },
  {
    title: 'a service does not start and is tried elsewhere',
    timeline: startFails(),
    truth: ['service-relocated-after-start-failure 103 ovh2→ovh3'],
  },
  { title: 'HA is disarmed and armed again', timeline: disarmed(), truth: ['ha-armed', 'ha-disarmed'] },
  {
    title: 'the whole cluster loses quorum and gets it back',
    timeline: quorumLost(),
    truth: ['quorum-lost', 'quorum-restored'],
  },
  {
    title: 'every node says that quorum is lost, until it is back',
    timeline: quorumLostByAll(),
    truth: ['quorum-lost', 'quorum-restored'],
  },
];
