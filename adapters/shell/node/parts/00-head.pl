#!/usr/bin/perl -T
# bascule-node: the hands of Bascule on one Proxmox VE node.
#
# One request (a JSON object) on standard input, one answer (a JSON object) on standard output. It takes no
# arguments, reads no environment, opens no network connection, and knows only the verbs listed in %VERB.
# Every value of a request is tainted until the check of its own field lets it through; every command is run by
# its argument list. What it may touch is limited by /etc/bascule-node.json, which only root can write.
# This file is put together from the parts in Bascule's adapters/shell/node/parts; its README tells the rest.

use strict;
use warnings;
use utf8;

use B              ();
use Digest::SHA    ();
use Errno          ();
use Fcntl          qw(:DEFAULT :flock :mode);
use IO::Handle     ();
use IO::Select     ();
use JSON::PP       ();
use MIME::Base64   ();
use POSIX          ();
use Scalar::Util   ();
use Sys::Syslog    ();
use Time::HiRes    ();

our $VERSION = '1.0.0';

# Limits. Bytes and seconds.
our $REQUEST_LIMIT  = 262_144;
our $REQUEST_DEPTH  = 8;
our $REQUEST_WAIT   = 15;
our $COMMAND_WAIT   = 30;
our $COMMAND_OUTPUT = 4_194_304;

# Where things are. Fixed: neither a request nor the environment can change them. The tests load this file as a
# library and set these variables in their own process, which nobody who only reaches sudo can do.
our $SELF       = '/usr/local/sbin/bascule-node';
our $CONFIG     = '/etc/bascule-node.json';
our $OWNER      = 0;
our $GUESTS     = '/etc/pve/lxc';
our $TASKS      = '/var/log/pve/tasks';
our $STATE      = '/var/lib/bascule-node';
our $LOCKS      = '/run/bascule-node';
our $JUMP_KEYS  = '/etc/ssh/bascule-jump';
our $BOT_KEYS   = '/etc/ssh/bascule-keys';
our $SUDOERS    = '/etc/sudoers.d/bascule';
our $SSHD_CONFIG = '/etc/ssh/sshd_config.d/50-bascule.conf';
our $PASSWD     = '/etc/passwd';
our %PROGRAM    = (
    'pct'              => '/usr/sbin/pct',
    'zfs'              => '/usr/sbin/zfs',
    'lxc-info'         => '/usr/bin/lxc-info',
    'lxc-usernsexec'   => '/usr/bin/lxc-usernsexec',
    'corosync-quorumtool' => '/usr/sbin/corosync-quorumtool',
    'nice'             => '/usr/bin/nice',
    'ionice'           => '/usr/bin/ionice',
    'sshd'             => '/usr/sbin/sshd',
    'sudo'             => '/usr/bin/sudo',
);

# What a call is about, for the syslog line; set as soon as each part of it is known to be harmless.
our %CALL;

# Filled by the parts that follow: name => {args, run, changes?, probe?}.
our %VERB;
