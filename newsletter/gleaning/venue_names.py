"""The names of conferences and journals, as people write them."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def key(name: str) -> str:
    """The form under which two spellings of a name are the same."""
    return " ".join(name.casefold().replace("&", " and ").split())


#: Found in capitals or not.
CONFERENCES = _words("""
    AAAI AACL ACCV ACL AISTATS ASPLOS ASRU BMVC CCGrid CHI CHIIR CIKM COLING COLM COLT CONCUR CoRL CRYPTO CSCW CVPR
    DSN EACL ECAI ECCV ECIR ECOOP EDBT EMNLP EUROCRYPT EUSIPCO EuroSys FAccT FOCS FSCD GECCO GLOBECOM HPCA HRI ICALP
    ICAPS ICAR ICASSP ICCAD ICCV ICDAR ICDCS ICDE ICDM ICFP ICIP ICLR ICME ICML ICMR ICONIP ICPADS ICPR ICRA ICSE
    ICSME ICST ICTAI ICWSM IJCAI IJCB IJCNN INFOCOM Interspeech IPCAI IPDPS IPMI IROS ISAAC ISBI ISCAS ISIT ISMAR
    ISMIR ISSRE ISSTA ITCS ITSC KDD L4DC LICS LREC MFCS MICCAI MIDL MLSys MobiCom MobiSys NAACL NDSS NeurIPS NIPS NSDI
    OOPSLA OSDI PAKDD PLDI PODC PODS POPL PPoPP PRCV RANLP RecSys ROBIO SANER SenSys SIGCOMM SIGCSE SIGGRAPH SIGIR
    SIGMOD SODA SOSP STACS STOC TACAS UAI UbiComp UIST VLDB WACV WASPAA WSDM WWW 3DV
""")
#: They mean other things too: found in capitals and with a year only.
AMBIGUOUS = _words("""
    ALT ASE CADE CASE CAV CCS CHIL CP DAC DATE ESA FAST FG FSE ICC ICCP ISCA ISPD ITW IUI KR MICRO MM MMM MSR RSS SAT
    SDM SLT
""")
JOURNALS = _words("A&A ApJ ApJS IJCV IJRR JAIR JCAP JHEP JMLR MNRAS PASJ PASP PNAS PRB PRD PRL PRX TACL TMLR")
OF_IEEE = _words("RA-L SPL T-ITS T-RO TCSVT TGRS TIFS TIP TKDE TMI TMM TNNLS TPAMI TVCG")
# What stands on the badge, and by what other names it goes, in capitals or not.
_SPELLED = """
    A&A: Astronomy and Astrophysics | Astron. Astrophys.
    AAAI: AAAI Conference on Artificial Intelligence | Association for the Advancement of Artificial Intelligence
    ACL: Annual Meeting of the Association for Computational Linguistics
    ACM CSUR: ACM Computing Surveys
    MM Asia: ACM Multimedia Asia
    ACM MM: ACM Multimedia | ACMMM | ACM MM | ACM International Conference on Multimedia
    ACM TOG: ACM TOG | Transactions on Graphics
    AISTATS: Conference on Artificial Intelligence and Statistics
    AITest: Conference on Artificial Intelligence Testing
    AJ: Astronomical Journal
    ApJ Letters: Astrophysical Journal Letters | ApJ Letters | ApJL | ApJ Lett. | Astrophys. J. Lett.
    ApJ: Astrophysical Journal | Astrophys. J.
    BMVC: British Machine Vision Conference
    CHI: Conference on Human Factors in Computing Systems
    CIKM: Conference on Information and Knowledge Management
    CoRL: Conference on Robot Learning
    CVPR: Conference on Computer Vision and Pattern Recognition | IEEE/CVF Computer Vision and Pattern Recognition
    ECCV: European Conference on Computer Vision
    ECML PKDD: ECML PKDD | ECML-PKDD | ECML/PKDD
    EMNLP: Empirical Methods in Natural Language Processing
    ESEC/FSE: ESEC/FSE
    ICASSP: Conference on Acoustics, Speech, and Signal Processing
    ICASSP: Conference on Acoustics, Speech and Signal Processing
    ICCV: International Conference on Computer Vision
    ICDM: Conference on Data Mining
    ICIP: Conference on Image Processing
    ICLR: Conference on Learning Representations
    ICML: International Conference on Machine Learning
    ICRA: Conference on Robotics and Automation
    ICSE: International Conference on Software Engineering
    ICST: Conference on Software Testing, Verification and Validation
    ICST: Conference on Software Testing, Verification, and Validation
    IEEE Access: IEEE Access
    IEEE RA-L: Robotics and Automation Letters | RAL
    IEEE SPL: Signal Processing Letters
    IEEE T-ITS: Transactions on Intelligent Transportation Systems
    IEEE T-RO: Transactions on Robotics | TRO
    IEEE TCSVT: Transactions on Circuits and Systems for Video Technology
    IEEE TGRS: Transactions on Geoscience and Remote Sensing
    IEEE TIFS: Transactions on Information Forensics and Security
    IEEE TIP: Transactions on Image Processing
    IEEE TKDE: Transactions on Knowledge and Data Engineering
    IEEE TMI: Transactions on Medical Imaging
    IEEE TMM: Transactions on Multimedia
    IEEE TNNLS: Transactions on Neural Networks and Learning Systems
    IEEE TPAMI: Transactions on Pattern Analysis and Machine Intelligence | T-PAMI
    IEEE TVCG: Transactions on Visualization and Computer Graphics
    IJCAI: International Joint Conference on Artificial Intelligence | IJCAI-ECAI
    IJCNN: International Joint Conference on Neural Networks
    IJCV: International Journal of Computer Vision
    IPMI: Information Processing in Medical Imaging
    IROS: Conference on Intelligent Robots and Systems
    ISBI: Symposium on Biomedical Imaging
    ISIT: International Symposium on Information Theory
    ISSTA: Symposium on Software Testing and Analysis
    ITW: Information Theory Workshop
    IUI: Conference on Intelligent User Interfaces
    JAIR: Journal of Artificial Intelligence Research
    JHEP: Journal of High Energy Physics
    JMLR: Journal of Machine Learning Research
    KDD: Knowledge Discovery and Data Mining
    MICCAI: Medical Image Computing and Computer Assisted Intervention
    MICCAI: Medical Image Computing and Computer-Assisted Intervention
    MNRAS: Monthly Notices of the Royal Astronomical Society | Mon. Not. R. Astron. Soc. | Mon. Not. Roy. Astron. Soc.
    NeurIPS: Neural Information Processing Systems | Neural Information Processing Systemss | NuerIPS
    PASP: Publications of the Astronomical Society of the Pacific
    RSS: Robotics: Science and Systems
    SIGGRAPH Asia: SIGGRAPH Asia | SIGGraphAsia
    SODA: Symposium on Discrete Algorithms
    TACL: Transactions of the Association for Computational Linguistics
    TMLR: Transactions on Machine Learning Research
    UAI: Conference on Uncertainty in Artificial Intelligence
    UIST: Symposium on User Interface Software and Technology
    USENIX Security: USENIX Security Symposium | USENIX Security
    WACV: Winter Conference on Applications of Computer Vision
    WWW: TheWebConf | The Web Conference | ACM Web Conference
"""
#: The name of each form.
FORMS = {
    form: name
    for name, _, forms in (line.strip().partition(": ") for line in _SPELLED.strip().splitlines())
    for form in forms.split(" | ")
}
#: What stands on the badge, by the `key` of what was found.
CANONICAL = (
    {key(name): name for name in (*CONFERENCES, *AMBIGUOUS, *JOURNALS)}
    | {key(name): f"IEEE {name}" for name in OF_IEEE}
    | {key(form): name for form, name in FORMS.items()}
    | {"mm": "ACM MM"}
)
