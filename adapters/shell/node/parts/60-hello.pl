
# ---- hello: who is there, and what may it do ------------------------------------------------------------------

sub own_sha256 {
    sysopen my $file, $SELF, O_RDONLY | O_NOFOLLOW or fault('unavailable', 'nothing was done', "$SELF cannot be read: $!", 'install it as bascule setup node says');
    my $sum = Digest::SHA->new(256)->addfile($file, 'b')->hexdigest;
    close $file or fault('unavailable', 'nothing was done', "$SELF cannot be read: $!", 'try again');
    return $sum;
}

sub hello {
    my (undef, $config) = @_;
    return {
        version => $VERSION,
        sha256  => own_sha256(),
        known   => [sort keys %VERB],
        verbs   => [sort keys %{ $config->{verbs} }],
        vmids   => [map { $_->[0] == $_->[1] ? "$_->[0]" : "$_->[0]-$_->[1]" } @{ $config->{vmids} }],
        sudo    => flag($config->{sudo}),
        jump    => [sort keys %{ $config->{jump} }],
        scripts => defined $config->{scripts} ? [sort keys %{ $config->{scripts} }] : undef,
    };
}

$VERB{'hello'} = { args => {}, run => \&hello };
