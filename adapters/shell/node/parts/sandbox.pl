# Runs one command where nothing exists but a snapshot (/src, read only), a volume (/dst) and the node's /usr (read
# only). Started by bascule-node as the container's own root (lxc-usernsexec) in new mount, network, ipc, pid and uts
# namespaces, so no link in either tree, no race and no program of the container reaches the node or another guest.
# Arguments: SRC DST COMMAND… Exit code: the command's, or 125 when the room could not be built.
use strict;
use warnings;
my ($src, $dst, @command) = @ARGV;
local %ENV = (PATH => '/usr/sbin:/usr/bin', LC_ALL => 'C');
my $root = '/mnt';

sub must {
    my @argv = @_;
    return if system({ $argv[0] } @argv) == 0;
    print {*STDERR} "sandbox: @argv[0 .. 1] failed\n";
    exit 125;
}

sub made {
    my ($done, $what) = @_;
    return if $done;
    print {*STDERR} "sandbox: $what: $!\n";
    exit 125;
}

must('/usr/bin/mount', '-t', 'tmpfs', '-o', 'size=64k,nr_inodes=64,mode=755,nosuid,nodev', 'sandbox', $root);
for my $name (qw(src dst usr old dev proc tmp)) { made(mkdir("$root/$name"), $name) }
for my $name (qw(bin sbin lib lib64)) { made(symlink("usr/$name", "$root/$name"), $name) }
must('/usr/bin/mount', '--rbind', $src, "$root/src");
must('/usr/bin/mount', '--rbind', $dst, "$root/dst");
must('/usr/bin/mount', '--rbind', '/usr', "$root/usr");
must('/usr/bin/mount', '--rbind', '/proc', "$root/proc");
made(open(my $null, '>', "$root/dev/null"), 'null');
made(close $null, 'null');
must('/usr/bin/mount', '--bind', '/dev/null', "$root/dev/null");
must('/usr/bin/mount', '-o', 'remount,bind,ro,nosuid,nodev', "$root/src");
must('/usr/bin/mount', '-o', 'remount,bind,ro,nosuid,nodev', "$root/usr");
must('/usr/bin/mount', '-o', 'remount,bind,nosuid,nodev', "$root/dst");
made(chdir($root), 'chdir');
must('/usr/sbin/pivot_root', q{.}, 'old');
made(chdir(q{/}), 'chdir');
must('/usr/bin/umount', '-l', '/old');
made(rmdir('/old'), 'rmdir');
{ no warnings 'exec'; exec { $command[0] } @command }    ## no critic (ProhibitNoWarnings)
print {*STDERR} "sandbox: $command[0]: $!\n";
exit 127;
