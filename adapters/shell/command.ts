/** The one program that is ever asked for on a node. */
export const HELPER = '/usr/local/sbin/bascule-node';

/** Seconds after which the node itself ends a request, whoever is still listening. No request may ask for more. */
export const NODE_SECONDS = 3600;

/**
 * The command line on a node, always this one: what is asked for travels on standard input. The key's line in
 * `authorized_keys` forces the same text, so that sshd ignores whatever else a stolen key asks for.
 *
 * The time limit must be part of it: sshd lets a command outlive its channel, and refuses to send a signal to a
 * forced command (`session_signal_req: refusing to send signal TERM to forced-command session`). Measured with
 * OpenSSH 9.2 and sudo 1.9.13: TERM of `timeout` in front of sudo does reach the program behind it.
 * LC_ALL because sudo tells a refusal in words only.
 */
export const COMMAND = `env LC_ALL=C timeout -k 10 ${NODE_SECONDS} sudo -n ${HELPER}`;
