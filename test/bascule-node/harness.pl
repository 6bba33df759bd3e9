#!/usr/bin/perl -T
# Loads the real bascule-node as a library and points it at a test's own files: the only way to do so, since the
# program itself reads no environment and takes no arguments. Usage: harness.pl PROGRAM SETTINGS [many]
# `many`: one base64 request per line in, "EXIT ANSWER" per line out.
use strict;
use warnings;
use JSON::PP     ();
use MIME::Base64 ();

my ($program, $settings, $mode) = map { /\A(.*)\z/s ? $1 : '' } @ARGV;
@ARGV = ();
require $program;

my $set = JSON::PP->new->utf8->decode($settings);
{
    no warnings 'once';
    my %scalar = (
        self => \$main::SELF, config => \$main::CONFIG, guests => \$main::GUESTS, tasks => \$main::TASKS, state => \$main::STATE,
        locks => \$main::LOCKS, jumpKeys => \$main::JUMP_KEYS, botKeys => \$main::BOT_KEYS, sudoers => \$main::SUDOERS, sshdConfig => \$main::SSHD_CONFIG, passwd => \$main::PASSWD, wait => \$main::COMMAND_WAIT,
        output => \$main::COMMAND_OUTPUT, requestWait => \$main::REQUEST_WAIT,
    );
    for my $name (keys %scalar) {
        ${ $scalar{$name} } = $set->{$name} =~ /\A(.*)\z/s ? $1 : '' if defined $set->{$name};
    }
    $main::OWNER = $>;
    for my $name (keys %{ $set->{programs} || {} }) {
        $main::PROGRAM{$name} = $set->{programs}{$name} =~ /\A(.*)\z/s ? $1 : '';
    }
    $main::LOG = sub {
        return if !defined $set->{log};
        my ($path) = $set->{log} =~ /\A(.*)\z/s;
        open my $log, '>>', $path or die "log: $!";
        print {$log} "$_[0]\n";
        close $log or die "log: $!";
    };
}

exit main::main() if ($mode // '') ne 'many';

%ENV = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL => 'C');
$| = 1;
while (my $line = <STDIN>) {
    # The harness's decoding must not clean what a real request would bring in tainted.
    my $text = MIME::Base64::decode_base64($line) . substr $line, 0, 0;
    my ($code, $answer) = main::answer($text);
    print "$code ", main::encode($answer);
}
