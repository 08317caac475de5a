"""Drives every call that the simulator offers with boto3, as a user's scripts would, and checks what comes back.

Usage: drive.py ENDPOINT. Ends with status 0 if everything is as AWS answers it. Simulated time should run 20 times
faster than real time or more.
"""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import strangers
from common import AWSVPC, check, cloudwatch, ecs, elb, eventually, fails, get, has, same, sts


def identity():
    answer = sts.get_caller_identity()
    has(answer, "Account", "Arn", "UserId")
    return answer["Account"]


def clusters():
    made = ecs.create_cluster(clusterName="drive", tags=[{"key": "team", "value": "shop"}])["cluster"]
    has(made, "clusterArn", "status", "runningTasksCount", "pendingTasksCount", "activeServicesCount")
    same(made["status"], "ACTIVE", "status of a new cluster")
    same(ecs.create_cluster(clusterName="drive")["cluster"]["clusterArn"], made["clusterArn"], "created twice")
    check(made["clusterArn"] in ecs.list_clusters()["clusterArns"], "ListClusters lacks the new cluster")
    answer = ecs.describe_clusters(clusters=["drive", "absent"], include=["TAGS"])
    same([c["clusterName"] for c in answer["clusters"]], ["drive"], "described clusters")
    same([f["reason"] for f in answer["failures"]], ["MISSING"], "failures of DescribeClusters")
    same(answer["clusters"][0]["tags"], [{"key": "team", "value": "shop"}], "tags of the cluster")
    return made["clusterArn"]


def network(account):
    made = elb.create_load_balancer(
        Name="drive", Subnets=["subnet-0a", "subnet-0b"], SecurityGroups=["sg-0"], Tags=[{"Key": "a", "Value": "b"}]
    )["LoadBalancers"][0]
    has(made, "LoadBalancerArn", "DNSName", "State", "Type", "Scheme", "VpcId", "AvailabilityZones", "CreatedTime")
    same(made["Type"], "application", "default type")
    balancer = made["LoadBalancerArn"]
    check(f":{account}:loadbalancer/app/drive/" in balancer, f"form of {balancer}")
    fails("LoadBalancerNotFound", elb.describe_load_balancers, Names=["absent"])
    elb.get_waiter("load_balancer_available").wait(Names=["drive"], WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    answer = elb.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]
    check({"Key": "deletion_protection.enabled", "Value": "false"} in answer, "attributes of a load balancer")
    answer = elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "30"}]
    )["Attributes"]
    check({"Key": "idle_timeout.timeout_seconds", "Value": "30"} in answer, "a changed attribute")

    groups = {}
    for name in ("drive-blue", "drive-green"):
        group = elb.create_target_group(
            Name=name, Protocol="HTTP", Port=8080, VpcId="vpc-0", TargetType="ip", HealthCheckPath="/healthz"
        )["TargetGroups"][0]
        has(group, "TargetGroupArn", "HealthCheckIntervalSeconds", "HealthyThresholdCount", "Matcher", "ProtocolVersion")
        same((group["HealthCheckPath"], group["Matcher"]["HttpCode"]), ("/healthz", "200"), "health check")
        groups[name] = group["TargetGroupArn"]
    fails("DuplicateTargetGroupName", elb.create_target_group, Name="drive-blue", Protocol="HTTP", Port=1, VpcId="vpc-0")
    blue, green = groups.values()
    answer = elb.modify_target_group(
        TargetGroupArn=blue, HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2
    )["TargetGroups"][0]
    same((answer["HealthCheckIntervalSeconds"], answer["HealthyThresholdCount"]), (5, 2), "a changed health check")
    elb.modify_target_group(TargetGroupArn=green, HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2)
    for group in groups.values():
        elb.modify_target_group_attributes(
            TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "10"}]
        )
    answer = elb.describe_target_group_attributes(TargetGroupArn=blue)["Attributes"]
    check({"Key": "deregistration_delay.timeout_seconds", "Value": "10"} in answer, "attributes of a group")
    same(len(elb.describe_target_groups(TargetGroupArns=[blue, green])["TargetGroups"]), 2, "groups by ARN")
    fails("TargetGroupNotFound", elb.describe_target_groups, Names=["absent"])
    return balancer, made["DNSName"], blue, green


def forward(blue, green, weights):
    pairs = zip((blue, green), weights)
    return [
        {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in pairs],
                "TargetGroupStickinessConfig": {"Enabled": False},
            },
        }
    ]


def weights_of(rule):
    return [group["Weight"] for group in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]]


def rules(balancer, blue, green):
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain"}}
    listener = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=8001, DefaultActions=[fixed])
    listener = listener["Listeners"][0]
    has(listener, "ListenerArn", "LoadBalancerArn", "Port", "Protocol", "DefaultActions")
    arn = listener["ListenerArn"]
    fails("DuplicateListener", elb.create_listener, LoadBalancerArn=balancer, Protocol="HTTP", Port=8001, DefaultActions=[fixed])
    redirect = {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Protocol": "HTTPS", "Port": "443"}}
    changed = elb.modify_listener(ListenerArn=arn, DefaultActions=[redirect])["Listeners"][0]
    same(changed["DefaultActions"][0]["Type"], "redirect", "a changed default action")
    elb.modify_listener(ListenerArn=arn, DefaultActions=[fixed])
    same(elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]["ListenerArn"], arn, "listeners")
    fails("ListenerNotFound", elb.describe_listeners, ListenerArns=[arn[:-1] + "x"])

    conditions = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}]
    rule = elb.create_rule(
        ListenerArn=arn, Priority=10, Conditions=conditions, Actions=forward(blue, green, (1, 0)),
        Tags=[{"Key": "a", "Value": "b"}],
    )["Rules"][0]
    has(rule, "RuleArn", "Priority", "Conditions", "Actions", "IsDefault")
    same((rule["Priority"], rule["IsDefault"], weights_of(rule)), ("10", False, [1, 0]), "a new rule")
    fails("PriorityInUse", elb.create_rule, ListenerArn=arn, Priority=10, Conditions=conditions, Actions=[fixed])
    fails("TargetGroupNotFound", elb.modify_rule, RuleArn=rule["RuleArn"], Actions=[{"Type": "forward", "TargetGroupArn": blue[:-1] + "x"}])
    fails("RuleNotFound", elb.modify_rule, RuleArn=rule["RuleArn"][:-1] + "x", Actions=[fixed])
    changed = elb.modify_rule(RuleArn=rule["RuleArn"], Actions=forward(blue, green, (100, 0)))["Rules"][0]
    same(weights_of(changed), [100, 0], "changed weights")
    same(changed["Conditions"][0]["Field"], "path-pattern", "conditions of a rule whose actions were changed")
    moved = elb.set_rule_priorities(RulePriorities=[{"RuleArn": rule["RuleArn"], "Priority": 20}])["Rules"][0]
    same(moved["Priority"], "20", "a new priority")
    described = elb.describe_rules(ListenerArn=arn)["Rules"]
    same([r["Priority"] for r in described], ["20", "default"], "rules in their order")
    fails("ResourceInUse", elb.delete_target_group, TargetGroupArn=blue)
    return arn, rule["RuleArn"]


def elb_tags(*arns):
    elb.add_tags(ResourceArns=list(arns), Tags=[{"Key": "owner", "Value": "drive"}])
    for described in elb.describe_tags(ResourceArns=list(arns))["TagDescriptions"]:
        check({"Key": "owner", "Value": "drive"} in described["Tags"], f"tags of {described['ResourceArn']}")
    elb.remove_tags(ResourceArns=list(arns), TagKeys=["owner"])
    for described in elb.describe_tags(ResourceArns=list(arns))["TagDescriptions"]:
        check("owner" not in [tag["Key"] for tag in described["Tags"]], "a removed tag")


def definition(tag):
    return {
        "family": "drive",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [
            {
                "name": "app",
                "image": f"registry.example/drive:{tag}",
                "essential": True,
                "portMappings": [{"containerPort": 8080}],
            }
        ],
    }


def task_definitions():
    answer = ecs.register_task_definition(**definition("v1"), tags=[{"key": "a", "value": "b"}])
    first = answer["taskDefinition"]
    has(first, "taskDefinitionArn", "revision", "status", "compatibilities", "registeredAt", "containerDefinitions")
    same((first["revision"], first["status"]), (1, "ACTIVE"), "the first revision")
    second = ecs.register_task_definition(**definition("v2"))["taskDefinition"]
    same(second["revision"], 2, "the second revision")
    described = ecs.describe_task_definition(taskDefinition="drive", include=["TAGS"])
    same(described["taskDefinition"]["revision"], 2, "the family's newest revision")
    described = ecs.describe_task_definition(taskDefinition="drive:1", include=["TAGS"])
    same(described["tags"], [{"key": "a", "value": "b"}], "tags of a revision")
    fails("ClientException", ecs.describe_task_definition, taskDefinition="absent")
    listed = ecs.list_task_definitions(familyPrefix="drive", sort="DESC")["taskDefinitionArns"]
    same(listed, [second["taskDefinitionArn"], first["taskDefinitionArn"]], "revisions, newest first")
    third = ecs.register_task_definition(**definition("v3"))["taskDefinition"]["taskDefinitionArn"]
    gone = ecs.deregister_task_definition(taskDefinition=third)["taskDefinition"]
    same(gone["status"], "INACTIVE", "a deregistered revision")
    return first["taskDefinitionArn"], second["taskDefinitionArn"]


def service(name, revision, group=None, count=2):
    balancers = [{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}] if group else []
    return {
        "cluster": "drive",
        "serviceName": name,
        "taskDefinition": revision,
        "desiredCount": count,
        "launchType": "FARGATE",
        "networkConfiguration": AWSVPC,
        "loadBalancers": balancers,
    }


def stable(*names):
    ecs.get_waiter("services_stable").wait(
        cluster="drive", services=list(names), WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def services(url, rule, blue, green, first, second):
    fails("ClusterNotFoundException", ecs.create_service, **{**service("web-blue", first, blue), "cluster": "absent"})
    made = ecs.create_service(**service("web-blue", first, blue), tags=[{"key": "slot", "value": "blue"}])["service"]
    has(made, "serviceArn", "clusterArn", "status", "deployments", "events", "desiredCount", "runningCount")
    same((made["status"], made["desiredCount"]), ("ACTIVE", 2), "a new service")
    fails("InvalidParameterException", ecs.create_service, **service("web-blue", first, blue))
    ecs.create_service(**service("web-green", second, green))
    stable("web-blue", "web-green")

    answer = ecs.describe_services(cluster="drive", services=["web-blue", "absent"], include=["TAGS"])
    same([f["reason"] for f in answer["failures"]], ["MISSING"], "failures of DescribeServices")
    described = answer["services"][0]
    same(described["tags"], [{"key": "slot", "value": "blue"}], "tags of a service")
    primary = described["deployments"][0]
    same((primary["status"], primary["taskDefinition"]), ("PRIMARY", first), "the deployment")
    eventually("a COMPLETED deployment", lambda: rollout_state("web-blue") == "COMPLETED")
    check(described["events"][0]["message"], "an event without a message")
    same(len(ecs.list_services(cluster="drive")["serviceArns"]), 2, "listed services")

    tasks = ecs.list_tasks(cluster="drive", serviceName="web-blue")["taskArns"]
    same(len(tasks), 2, "listed tasks")
    described = ecs.describe_tasks(cluster="drive", tasks=tasks)["tasks"]
    for task in described:
        has(task, "taskArn", "lastStatus", "desiredStatus", "taskDefinitionArn", "containers", "group", "startedAt")
        same((task["lastStatus"], task["group"]), ("RUNNING", "service:web-blue"), "a task")

    def healthy(group, count):
        states = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        for state in states:
            has(state, "Target", "TargetHealth", "HealthCheckPort")
        return [s["TargetHealth"]["State"] for s in states].count("healthy") == count

    eventually("two healthy targets in each group", lambda: healthy(blue, 2) and healthy(green, 2))
    same({get(url)["release"] for _ in range(10)}, {"v1"}, "what answers before the shift")
    elb.modify_rule(RuleArn=rule, Actions=forward(blue, green, (0, 100)))
    eventually("only v2 to answer", lambda: {get(url)["release"] for _ in range(10)} == {"v2"})
    elb.modify_rule(RuleArn=rule, Actions=forward(blue, green, (100, 0)))

    changed = ecs.update_service(cluster="drive", service="web-green", desiredCount=1)["service"]
    same(changed["desiredCount"], 1, "a changed count")
    same(len(changed["deployments"]), 1, "deployments after a change of the count")
    changed = ecs.update_service(cluster="drive", service="web-green", taskDefinition=first)["service"]
    same(changed["deployments"][0]["taskDefinition"], first, "the new deployment")
    fails("ServiceNotFoundException", ecs.update_service, cluster="drive", service="absent", desiredCount=1)
    stable("web-green")

    stopped = ecs.stop_task(cluster="drive", task=tasks[0], reason="a drive")["task"]
    same(stopped["desiredStatus"], "STOPPED", "a stopped task")
    stopped = eventually("the stopped task", lambda: stopped_task(tasks[0]))
    same((stopped["stoppedReason"], stopped["stopCode"]), ("a drive", "UserInitiated"), "why it stopped")
    check(tasks[0] in ecs.list_tasks(cluster="drive", desiredStatus="STOPPED")["taskArns"], "stopped tasks")
    eventually("a replacement", lambda: len(running_tasks("web-blue")) == 2)


def rollout_state(name):
    return ecs.describe_services(cluster="drive", services=[name])["services"][0]["deployments"][0]["rolloutState"]


def running_tasks(name):
    tasks = ecs.list_tasks(cluster="drive", serviceName=name)["taskArns"]
    described = ecs.describe_tasks(cluster="drive", tasks=tasks)["tasks"] if tasks else []
    return [task for task in described if task["lastStatus"] == "RUNNING"]


def stopped_task(arn):
    task = ecs.describe_tasks(cluster="drive", tasks=[arn])["tasks"][0]
    return task if task["lastStatus"] == "STOPPED" else None


def ecs_tags(arn):
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "owner", "value": "drive"}])
    check({"key": "owner", "value": "drive"} in ecs.list_tags_for_resource(resourceArn=arn)["tags"], "a new tag")
    ecs.untag_resource(resourceArn=arn, tagKeys=["owner"])
    tags = ecs.list_tags_for_resource(resourceArn=arn)["tags"]
    check("owner" not in [tag["key"] for tag in tags], "a removed tag")


def single_tasks(first):
    ran = ecs.run_task(cluster="drive", taskDefinition=first, launchType="FARGATE", networkConfiguration=AWSVPC)
    same((len(ran["tasks"]), ran["failures"]), (1, []), "RunTask")
    arn = ran["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_running").wait(cluster="drive", tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    ecs.stop_task(cluster="drive", task=arn)
    ecs.get_waiter("tasks_stopped").wait(cluster="drive", tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def targets_by_hand(group):
    """A server that is none of the simulator's own, on this machine: health checks really reach it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            checkers.add(self.headers["User-Agent"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    checkers = set()
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    target = {"Id": "127.0.0.1", "Port": server.server_port}

    def state():
        answer = elb.describe_target_health(TargetGroupArn=group, Targets=[target])
        return answer["TargetHealthDescriptions"][0]["TargetHealth"]["State"]

    elb.register_targets(TargetGroupArn=group, Targets=[target])
    eventually("a healthy target", lambda: state() == "healthy")
    same(checkers, {"ELB-HealthChecker/2.0"}, "who asked the server")
    elb.deregister_targets(TargetGroupArn=group, Targets=[target])
    same(state(), "draining", "a deregistered target")
    server.shutdown()
    absent = group[:-1] + "x"
    fails("TargetGroupNotFound", elb.register_targets, TargetGroupArn=absent, Targets=[target])
    fails("TargetGroupNotFound", elb.deregister_targets, TargetGroupArn=absent, Targets=[target])
    fails("InvalidTarget", elb.register_targets, TargetGroupArn=group, Targets=[{"Id": "10.0.9.9", "Port": 8080}])
    fails("ValidationError", elb.register_targets, TargetGroupArn=group, Targets=[{"Id": "drive", "Port": 8080}])


def alarms():
    cloudwatch.put_metric_alarm(
        AlarmName="drive-5xx", MetricName="HTTPCode_Target_5XX_Count", Namespace="AWS/ApplicationELB", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
    )
    found = cloudwatch.describe_alarms(AlarmNames=["drive-5xx", "absent"])["MetricAlarms"]
    same([a["AlarmName"] for a in found], ["drive-5xx"], "alarms")
    has(found[0], "AlarmArn", "StateValue", "StateReason", "StateUpdatedTimestamp")
    cloudwatch.set_alarm_state(AlarmName="drive-5xx", StateValue="ALARM", StateReason="a drive")
    same(cloudwatch.describe_alarms(AlarmNamePrefix="drive")["MetricAlarms"][0]["StateValue"], "ALARM", "its state")
    fails("ResourceNotFound", cloudwatch.set_alarm_state, AlarmName="absent", StateValue="OK", StateReason="x")
    cloudwatch.delete_alarms(AlarmNames=["drive-5xx"])
    same(cloudwatch.describe_alarms(AlarmNames=["drive-5xx"])["MetricAlarms"], [], "deleted alarms")


def clean_up(balancer, listener, rule, blue, green):
    ecs.update_service(cluster="drive", service="web-green", desiredCount=0)
    fails("InvalidParameterException", ecs.delete_service, cluster="drive", service="web-blue")
    ecs.delete_service(cluster="drive", service="web-blue", force=True)
    stable("web-green")
    ecs.delete_service(cluster="drive", service="web-green")
    ecs.get_waiter("services_inactive").wait(
        cluster="drive", services=["web-blue", "web-green"], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    elb.delete_rule(RuleArn=rule)
    elb.delete_listener(ListenerArn=listener)
    for group in (blue, green):
        elb.delete_target_group(TargetGroupArn=group)
    elb.delete_load_balancer(LoadBalancerArn=balancer)
    fails("LoadBalancerNotFound", elb.describe_load_balancers, LoadBalancerArns=[balancer])
    same(ecs.delete_cluster(cluster="drive")["cluster"]["status"], "INACTIVE", "a deleted cluster")


def main():
    account = identity()
    cluster = clusters()
    balancer, dns_name, blue, green = network(account)
    listener, rule = rules(balancer, blue, green)
    elb_tags(balancer, blue, listener, rule)
    first, second = task_definitions()
    services(f"http://{dns_name}:8001/", rule, blue, green, first, second)
    service = ecs.describe_services(cluster="drive", services=["web-blue"])["services"][0]["serviceArn"]
    for arn in (cluster, service, first):
        ecs_tags(arn)
    single_tasks(first)
    targets_by_hand(green)
    alarms()
    strangers.drive()
    clean_up(balancer, listener, rule, blue, green)
    print("every call was answered as expected")


if __name__ == "__main__":
    main()
