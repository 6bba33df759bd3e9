
# ---- one call -----------------------------------------------------------------------------------------------

sub request_text {
    local $SIG{ALRM} = sub { bad_input('the request did not end in time') };
    alarm $REQUEST_WAIT;
    my $text = read_all(\*STDIN, $REQUEST_LIMIT, 'the request');
    alarm 0;
    bad_input("the request is larger than $REQUEST_LIMIT bytes") if length $text > $REQUEST_LIMIT;
    return $text;
}

my %REQUEST_KEYS = map { $_ => 1 } qw(v id verb mode args);

# The whole way of one request: text in, result out; failures leave as faults.
sub handle {
    my ($text) = @_;
    my $request = eval { JSON::PP->new->utf8->max_depth($REQUEST_DEPTH)->decode($text) };
    bad_input('it is not a JSON object') if ref $request ne 'HASH';
    $request = tainted($request, substr $text, 0, 0);
    for my $key (sort keys %{$request}) {
        bad_input('the request has a field nobody knows: ' . one_line(bytes_of($key))) if !$REQUEST_KEYS{$key};
    }
    bad_input('v is not 1') if !defined $request->{v} || ref $request->{v} || !is_number($request->{v}) || $request->{v} != 1;
    $CALL{id} = an_id('id', $request->{id});
    my $verb = a_text('verb', $request->{verb}, qr/\A([a-z]{2,12}(?:[.][a-z]{2,12}){0,2})\z/x, 'the name of a verb');
    bad_input("no verb is named $verb") if !exists $VERB{$verb};
    $CALL{verb} = $verb;
    my $mode = exists $request->{mode} ? a_text('mode', $request->{mode}, qr/\A(run|probe|dry-run)\z/x, 'run, probe or dry-run') : 'run';
    $CALL{mode} = $mode;
    bad_input('args is not an object') if ref $request->{args} ne 'HASH';
    my $args = checked_args($verb, $request->{args});
    $CALL{vmid} = $args->{vmid} if defined $args->{vmid};
    $CALL{user} = $args->{user} if defined $args->{user};
    return judged($verb, $mode, $args);
}

# What the node's own config says comes before anything is looked at.
sub judged {
    my ($verb, $mode, $args) = @_;
    my $config = node_config();
    fault('forbidden', 'nothing was done', "this node does not allow $verb", "add it to verbs in $CONFIG") if !$config->{verbs}{$verb};
    fault('forbidden', 'nothing was done', "this node does not allow guest $args->{vmid}", "add it to vmids in $CONFIG")
      if defined $args->{vmid} && !may_touch($config, $args->{vmid});
    my $entry = $VERB{$verb};
    if ($mode eq 'probe') {
        bad_input("$verb changes nothing, so there is nothing to probe") if !$entry->{probe};
        return $entry->{probe}->($args, $config);
    }
    return $entry->{run}->($args, $config) if !$entry->{changes};
    local $DRY_RUN = $mode eq 'dry-run';
    local @WOULD = ();
    my $lock = $entry->{changes} eq 'vmid' ? "ct-$args->{vmid}" : $entry->{changes};
    my $result = with_lock($lock, sub { $entry->{run}->($args, $config) });
    return $DRY_RUN ? { would => [@WOULD] } : $result;
}

# Runs one request's text; returns (exit code, answer). Never dies.
sub answer {
    my ($text) = @_;
    local %CALL = ();
    my $started = Time::HiRes::time();
    my $result = eval { handle($text) };
    my $error = $@;
    my %answer = (v => 1);
    my $code = 0;
    if (ref $result eq 'HASH') {
        @answer{qw(ok result)} = (true(), $result);
    }
    else {
        if (!is_fault($error)) {
            print {*STDERR} 'bascule-node: ' . visible(ref $error ? 'an odd error' : $error) . "\n";
            $error = { kind => 'internal', what => 'the call was given up', why => one_line("$error"), next => 'report this with the line in syslog' };
        }
        @answer{qw(ok error)} = (false(), { %{$error} });
        $code = $EXIT{ $error->{kind} };
    }
    $answer{id} = $CALL{id} if defined $CALL{id};
    log_call($code ? $error->{kind} : 'ok', Time::HiRes::time() - $started);
    return ($code, \%answer);
}

our $LOG = sub {
    my ($line) = @_;
    Sys::Syslog::openlog('bascule-node', 'pid,ndelay', 'auth');
    Sys::Syslog::syslog('notice', '%s', $line);
    Sys::Syslog::closelog();
    return;
};

# One line per call. Everything in it has passed a field's check, so no line can be forged.
sub log_call {
    my ($outcome, $seconds) = @_;
    my $line = join ' ', map { "$_=" . ($CALL{$_} // '-') } qw(id verb mode vmid user);
    $line .= sprintf ' outcome=%s ms=%d', $outcome, $seconds * 1000;
    if (!eval { $LOG->($line); 1 }) {
        print {*STDERR} 'bascule-node: no line in syslog: ' . one_line("$@") . "\n";
    }
    return;
}

sub main {
    my (@arguments) = @_;
    umask oct 77;
    %ENV = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL => 'C', LANG => 'C');    ## no critic (RequireLocalizedPunctuationVars)
    $SIG{PIPE} = 'IGNORE';    ## no critic (RequireLocalizedPunctuationVars)
    $SIG{HUP}  = 'IGNORE';    ## no critic (RequireLocalizedPunctuationVars)
    chdir '/' or POSIX::_exit($EXIT{internal});
    my $text = eval { bad_input('it takes no arguments') if @arguments; request_text() };
    my ($code, $answer) = defined $text ? answer($text) : ($EXIT{'bad-input'}, { v => 1, ok => false(), error => is_fault($@) ? $@ : { kind => 'bad-input', what => 'nothing was done', why => one_line("$@"), next => 'try again' } });
    log_call('bad-input', 0) if !defined $text;
    my $bytes = encode($answer);
    while (length $bytes) {
        my $sent = syswrite STDOUT, $bytes;
        next if !defined $sent && $!{EINTR};
        last if !defined $sent;
        substr $bytes, 0, $sent, '';
    }
    return $code;
}

exit main(@ARGV) if !caller;
1;
