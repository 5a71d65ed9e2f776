/**
 * What each shell has to know to complete the command: a function that asks the command itself, with the words before the
 * cursor. It keeps nothing, and is silent whatever happens.
 */
export const COMPLETION_SCRIPTS = {
  // Bash parts words at : and = too, so it gets the line, and what is left of such a sign is taken off the answer.
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
export type Shell = keyof typeof COMPLETION_SCRIPTS
