/** Tables as both databases hold them: text is JSON where the name says so, times are epoch milliseconds. */
export interface Tables {
  requests: {
    id: string;
    state: string;
    cluster: string;
    command: string;
    action: string;
    risk: string;
    options_json: string;
    requester: string;
    actor_json: string;
    place_json: string;
    plan_json: string;
    fingerprint: string;
    created_at: number;
    expires_at: number;
    approved_at: number | null;
    started_at: number | null;
    ended_at: number | null;
    note: string;
    left_json: string;
    stop_asked: number;
  };
  votes: {
    request: string;
    person: string;
    kind: string;
    fingerprint: string;
    actor_json: string;
    roles_json: string;
    typed: number;
    reason: string;
    at: number;
  };
  buttons: { ref: string; request: string; verb: string; fingerprint: string; typed: string | null };
  slots: { name: string; request: string };
  steps: {
    request: string;
    n: number;
    name: string;
    says: string;
    state: string;
    upid: string | null;
    started_at: number | null;
    ended_at: number | null;
    note: string;
    sent: number;
    ours: number;
    result_json: string | null;
  };
  messages: {
    key: string;
    place_json: string;
    card_json: string;
    version: number;
    delivered: number;
    posted_json: string | null;
    sending: number;
    at: number;
  };
  deliveries: { id: string; at: number };
  audit: {
    seq: number;
    at: number;
    id: string;
    kind: string;
    who: string;
    body_json: string;
    previous: string;
    hash: string;
  };
  audit_head: { one: number; seq: number; hash: string };
  settings: { name: string; value: string };
  leader: { one: number; epoch: number };
  books: { shelf: string; key: string; value_json: string; run: string; at: number };
  offers: { ref: string; notice: string; cluster: string; command: string; options_json: string; at: number };
  schedules: { name: string; due: number };
  watch_memory: { cluster: string; at: number; memory_json: string; untaken_json: string };
  incidents: {
    id: string;
    cluster: string;
    state: string;
    opened_at: number;
    changed_at: number;
    incident_json: string;
  };
}

/** As both databases hold it: PostgreSQL takes no NUL, and UTF-8 has no lone surrogates. */
export function text(value: string): string {
  return value.toWellFormed().replaceAll('\0', '\ufffd');
}
