#!/usr/bin/perl -T
# Runs printf with the words of each line (base64 of each, blanks between) by the program's own ways to a command:
# arguments.pl PROGRAM inside|sandbox VMID ROOT. Prints what came out, in base64, a line for a line.
use strict;
use warnings;
use MIME::Base64 ();

my ($program, $way, $vmid, $root) = map { /\A(.*)\z/s ? $1 : '' } @ARGV;
@ARGV = ();
require $program;
%ENV = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL => 'C');
$| = 1;
while (my $line = <STDIN>) {
    my @words = map { MIME::Base64::decode_base64($_) =~ /\A(.*)\z/s ? $1 : '' } split / /, $line =~ s/\n\z//r, -1;
    my $place = { running => $way eq 'inside', vmid => $vmid, from => 'live', root => $root, config => main::guest_config($vmid) };
    my $result = main::act($place, ['printf', '%s\0', @words], {});
    die main::reason($result) . "\n" if !main::ok($result);
    print MIME::Base64::encode_base64($result->{out}, ''), "\n";
}
