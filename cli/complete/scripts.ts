/**
 * The completion script of each shell. Each calls `keyturn complete --` with the words up to the cursor and offers the lines that
 * this prints. Errors are dropped.
 */
export const COMPLETION_SCRIPTS = {
  // Bash also splits words at : and =. So the script splits the line itself, and removes from each completion the part up to
  // the last such sign, which is on the line already.
  bash: `_keyturn() {
  local line="\${COMP_LINE:0:COMP_POINT}" words word before
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  word="\${words[\${#words[@]}-1]}"
  before="\${word%"\${word##*[:=]}"}"
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("\${word#"$before"}")
  done < <(keyturn complete -- "\${words[@]:1}" 2> /dev/null)
}
complete -F _keyturn keyturn`,
  zsh: `_keyturn() {
  local -a found
  found=("\${(@f)$(keyturn complete -- "\${(@Q)words[2,CURRENT]}" 2> /dev/null)}")
  compadd -- $found
}
compdef _keyturn keyturn`,
  fish: `complete -c keyturn -f -a '(keyturn complete -- (commandline -opc)[2..] (commandline -ct) 2> /dev/null)'`,
}
/** A shell that has a completion script. */
export type Shell = keyof typeof COMPLETION_SCRIPTS
