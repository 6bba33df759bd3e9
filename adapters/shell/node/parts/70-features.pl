
# ---- ct.features: what only root may set ----------------------------------------------------------------------

sub features_of {
    my ($config) = @_;
    my %feature;
    for my $part (split /,/x, $config->{now}{features} // '') {
        $feature{$1} = $2 if $part =~ /\A([a-z][a-z_]{1,30})=([A-Za-z0-9;_-]{1,100})\z/x;
    }
    return \%feature;
}

sub features_wanted {
    my ($args) = @_;
    my %wanted = map { $_ => $args->{$_} } grep { defined $args->{$_} } qw(nesting keyctl);
    bad_input('neither nesting nor keyctl is given') if !%wanted;
    return \%wanted;
}

sub differing {
    my ($now, $wanted) = @_;
    return grep { ($now->{$_} // 0) ne $wanted->{$_} } sort keys %{$wanted};
}

sub ct_features_probe {
    my ($args) = @_;
    my $wanted = features_wanted($args);
    my $config = guest_config($args->{vmid});
    my @differ = differing(features_of($config), $wanted);
    my $evidence = 'features: ' . one_line($config->{now}{features} // '(none)');
    return { state => 'already', evidence => "$evidence; who set them is not recorded" } if !@differ;
    return { state => @differ < keys %{$wanted} ? 'partial' : 'absent', evidence => $evidence };
}

# Keeps every other feature. A running container takes the change at its next start.
sub ct_features {
    my ($args) = @_;
    my $vmid = $args->{vmid};
    my $what = "the features of CT $vmid were not changed";
    my $wanted = features_wanted($args);
    my $config = guest_config($vmid);
    fault('conflict', $what, 'it is locked (' . one_line($config->{now}{lock}) . ')', 'wait until the lock is gone') if $config->{now}{lock};
    fault('refused', $what, 'it is a privileged container, where nesting and keyctl would open the node', 'use an unprivileged container')
      if ($config->{now}{unprivileged} // '0') ne '1' && grep { $_ } values %{$wanted};
    my $now = features_of($config);
    my $state = guest_state($vmid);
    my %answer = (vmid => $vmid, restart => flag($state ne 'STOPPED'));
    return { %answer, restart => false(), changed => false(), features => one_line($config->{now}{features} // '') } if !differing($now, $wanted);
    my %all = (%{$now}, %{$wanted});
    my $features = join ',', map { "$_=$all{$_}" } sort keys %all;
    my $set = ['set', $vmid, '--features', $features];
    my $result = $DRY_RUN ? told('pct', $set) : command('pct', $set, { wait => 60 });
    fault($result->{late} ? 'in-doubt' : 'refused', $what, 'pct said: ' . reason($result), 'look at pct config ' . $vmid) if !ok($result);
    return { %answer, changed => true(), features => $features };
}

$VERB{'ct.features'} = {
    args => { vmid => [\&a_vmid, 1], nesting => [\&a_flag, 0], keyctl => [\&a_flag, 0] },
    changes => 'vmid', run => \&ct_features, probe => \&ct_features_probe,
};
