# Moves of one restore or undo in one go, always this text: names come as arguments. What runs here is the container's
# root, in folders that people of the container may write: so the parent is entered once and held against its name,
# and from there on every name is a single one in the folder that was entered, whatever is renamed meanwhile.
# Exit codes: 20 the parent is another one, 21 no folder to copy into, 22 the copy failed, 23 the first move failed,
# 24 the second one failed and the first was taken back, 25 it was not, 26 done but the folder is left.
set -u
umask 077
is() { [ -e "$1" ] || [ -L "$1" ]; }
enter() { cd -P -- "$1" 2>/dev/null && [ "$(pwd -P)" = "$1" ]; }
# --no-clobber says 0 also when it did nothing.
move() { mv -T --no-clobber -- "$1" "$2" && ! is "$1" && is "$2"; }
what=$1 parent=$2
enter "$parent" || exit 20
case $what in
restore)
  source=$3 temporary=$4 name=$5 new=$6 kept=$7
  mkdir -m 700 -- "./$temporary" || exit 21
  enter "${parent%/}/$temporary" || exit 21
  case $(stat -c %u:%a .) in 0:700 | 0:2700) ;; *) exit 21 ;; esac
  cp -dRx --preserve=mode,ownership,timestamps,links,xattr --reflink=auto --sparse=auto -- "$source" ./
  code=$?
  if [ $code = 0 ]; then
    if [ -n "$kept" ] && ! move "../$name" "../$kept"; then code=23
    elif ! move "./$name" "../$new"; then
      code=24
      [ -z "$kept" ] || move "../$kept" "../$name" || code=25
    fi
  elif [ $code != 127 ]; then code=22; fi
  [ $code = 0 ] || rm -rf --one-file-system -- "./$name"
  cd -P .. && rmdir -- "./$temporary" || { [ $code != 0 ] || code=26; }
  exit $code ;;
undo)
  new=$3 undone=$4 name=$5 kept=$6
  move "./$new" "./$undone" || exit 23
  [ -z "$kept" ] || move "./$kept" "./$name" && exit 0
  move "./$undone" "./$new" || exit 25
  exit 24 ;;
clean) rm -rf --one-file-system -- "./$3" ;;
esac
