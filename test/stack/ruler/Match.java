import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.TreeSet;
import software.amazon.event.ruler.Machine;

/** Reads {"rules": {name: pattern}, "events": [...]}, and writes which rules match each event, as EventBridge would. */
public class Match {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper json = new ObjectMapper();
        JsonNode input = json.readTree(System.in);
        Machine machine = new Machine();
        for (var rule : input.get("rules").properties())
            machine.addRule(rule.getKey(), rule.getValue().toString());
        var found = json.createArrayNode();
        for (JsonNode event : input.get("events"))
            found.add(json.valueToTree(new TreeSet<>(machine.rulesForJSONEvent(event.toString()))));
        System.out.println(found);
    }
}
